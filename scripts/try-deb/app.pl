# An app that receives webhooks: answers 200, appends each webhook-id to /try/ids, and keeps the last request.
use strict;
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:9000", Listen => 64, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
    my ($head, $body) = ("", "");
    while (defined(my $line = <$client>)) { last if $line eq "\r\n"; $head .= $line }
    my ($length) = $head =~ /^content-length: (\d+)/mi;
    read($client, $body, $length // 0);
    save("/try/head", ">", $head);
    save("/try/body", ">", $body);
    save("/try/ids", ">>", "$1\n") if $head =~ /^webhook-id: (\S+)/mi;
    print $client "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    close $client;
}
sub save { my ($path, $mode, $text) = @_; open(my $file, $mode, $path) or die $!; print $file $text; close $file }
