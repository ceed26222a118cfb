<?php

// An app around a snippet for PHP ($SNIPPET: its file): 204 where a message is signed by one of $KEYS, else 401.

require getenv('SNIPPET');

$headers = array_change_key_case(getallheaders());
$body = file_get_contents('php://input');
http_response_code(401);
foreach (explode(' ', getenv('KEYS')) as $key) {
    if (is_signed($key, $headers, $body)) {
        http_response_code(204);
    }
}
