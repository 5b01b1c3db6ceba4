<?php
// Checks the signature of a webhook. Take the function of your product; call it with the body as it came, byte for byte
// (file_get_contents('php://input')), before you parse it. PHP 8.1 or newer with its own extensions hash and sodium.

declare(strict_types=1);

const TOLERANCE_SECONDS = 300;

function is_fresh(string $timestamp, int $now): bool
{
    return preg_match('/\A[0-9]{1,12}\z/', $timestamp) === 1 && abs($now - (int) $timestamp) <= TOLERANCE_SECONDS;
}

// X-Razorpay-Signature; $secret is the endpoint's.
function razorpay(string $secret, string $signature, string $body): bool
{
    return $secret !== '' && hash_equals(hash_hmac('sha256', $body, $secret), $signature);
}

// X-KPAY-Signature; $secret is the endpoint's.
function kpay(string $secret, string $signature, string $body): bool
{
    return $secret !== '' && hash_equals(hash_hmac('sha256', $body, $secret), $signature);
}

// X-SIGNATURE and X-TIMESTAMP; $secret is that of your API key.
function kwikpaisa(string $secret, string $signature, string $timestamp, string $body, int $now): bool
{
    return $secret !== ''
        && is_fresh($timestamp, $now)
        && hash_equals(hash_hmac('sha256', $body . $timestamp, $secret), $signature);
}

// webhook-signature, webhook-timestamp and webhook-id (Standard Webhooks 1.0); $secret is `whsec_…`, or the public key
// `whpk_…`. While a secret is rolled there are several signatures: one of them is enough.
function keymint(string $secret, string $signature, string $timestamp, string $id, string $body, int $now): bool
{
    [$kind, $text] = explode('_', $secret, 2) + [1 => ''];
    $key = base64_decode($text, true);
    if ($key === false || $key === '' || !is_fresh($timestamp, $now)) {
        return false;
    }
    $message = "$id.$timestamp.$body";
    foreach (explode(' ', $signature) as $one) {
        [$version, $text] = explode(',', $one, 2) + [1 => ''];
        $expected = base64_encode(hash_hmac('sha256', $message, $key, true));
        if ($kind === 'whsec' && $version === 'v1' && hash_equals($expected, $text)) {
            return true;
        }
        if ($kind === 'whpk' && $version === 'v1a' && is_by($key, $text, $message)) {
            return true;
        }
    }
    return false;
}

function is_by(string $publicKey, string $signature, string $message): bool
{
    $bytes = base64_decode($signature, true);
    return strlen($publicKey) === SODIUM_CRYPTO_SIGN_PUBLICKEYBYTES
        && is_string($bytes)
        && strlen($bytes) === SODIUM_CRYPTO_SIGN_BYTES
        && sodium_crypto_sign_verify_detached($bytes, $message, $publicKey);
}

// From the command line: the product, and the rest in the environment; the body comes in.
[$secret, $signature, $timestamp, $id] = array_map(
    fn (string $name): string => (string) getenv($name),
    ['SECRET', 'SIGNATURE', 'TIMESTAMP', 'ID'],
);
$now = (int) (getenv('NOW') ?: time());
$body = stream_get_contents(STDIN);
$holds = match ($argv[1]) {
    'razorpay' => razorpay($secret, $signature, $body),
    'kpay' => kpay($secret, $signature, $body),
    'kwikpaisa' => kwikpaisa($secret, $signature, $timestamp, $body, $now),
    'keymint' => keymint($secret, $signature, $timestamp, $id, $body, $now),
};
exit($holds ? 0 : 1);
