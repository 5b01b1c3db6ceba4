<?php
// The PHP sample of KwikPaisa's signature page: sortPayload() sorts recursively. Its end, with the flags of json_encode,
// is not to be seen on the page, so the three sets of flags that fit its rules are all here.
//
// Calls go through PHP's own streams, because php-cli comes without curl.

require __DIR__ . '/../conversation/lines.php';

const STYLES = [
    'slashes_and_unicode' => JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE,
    'slashes' => JSON_UNESCAPED_SLASHES,
    'default' => 0,
];

function sortPayload(array $payload): array
{
    ksort($payload);
    foreach ($payload as $key => $value) {
        if (is_array($value)) {
            $payload[$key] = sortPayload($value);
        }
    }
    return $payload;
}

function sign(array $command): array
{
    $payload = json_decode($command['payload'], true, flags: JSON_THROW_ON_ERROR);
    $flags = STYLES[$command['style']];
    $signed = json_encode(sortPayload($payload), $flags);
    $timestamp = (string) ($command['timestamp'] ?? time());
    $headers = [
        'Content-Type' => 'application/json',
        'Accept' => 'application/json',
        'X-API-KEY' => KEY_ID,
        'X-SIGNATURE' => hash_hmac('sha256', $signed . $timestamp, KEY_SECRET),
        'X-TIMESTAMP' => $timestamp,
    ];
    return ['headers' => $headers, 'signed' => $signed, 'plain' => json_encode($payload, $flags)];
}

function send(array $command): array
{
    $headers = $command['headers'];
    $lines = array_map(fn ($name, $value) => "$name: $value", array_keys($headers), $headers);
    $options = ['method' => 'POST', 'header' => $lines, 'content' => $command['body'], 'ignore_errors' => true];
    $options['protocol_version'] = 1.1;
    $body = file_get_contents(TARGET . $command['path'], false, stream_context_create(['http' => $options]));
    return ['status' => (int) explode(' ', $http_response_header[0])[1], 'body' => $body];
}

converse(fn (array $command) => $command['do'] === 'sign' ? sign($command) : send($command));
