<?php

// Signs messages with libsodium and PHP's HMAC. Standard input: a JSON list of {secrets, id, timestamp, body}.
// Standard output: the webhook-signature header of each, as a JSON list.

$signed = [];
foreach (json_decode(stream_get_contents(STDIN), true) as $message) {
    $content = "{$message['id']}.{$message['timestamp']}.{$message['body']}";
    $signatures = [];
    foreach ($message['secrets'] as $secret) {
        [$prefix, $encoded] = explode('_', $secret, 2);
        $key = base64_decode($encoded, true);
        if ($prefix === 'whsec') {
            $signatures[] = 'v1,' . base64_encode(hash_hmac('sha256', $content, $key, true));
        } else {
            $pair = sodium_crypto_sign_seed_keypair(substr($key, 0, SODIUM_CRYPTO_SIGN_SEEDBYTES));
            $private = sodium_crypto_sign_secretkey($pair);
            $signatures[] = 'v1a,' . base64_encode(sodium_crypto_sign_detached($content, $private));
        }
    }
    $signed[] = implode(' ', $signatures);
}
echo json_encode($signed, JSON_UNESCAPED_SLASHES);
