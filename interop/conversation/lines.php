<?php
// One JSON line in, one JSON line out: how a test talks to a client.

define('TARGET', getenv('KEYMINT_TARGET'));
define('KEY_ID', getenv('KEYMINT_KEY_ID'));
define('KEY_SECRET', getenv('KEYMINT_KEY_SECRET'));

function converse(callable $answer): void
{
    while (($line = fgets(STDIN)) !== false) {
        echo json_encode($answer(json_decode($line, true, flags: JSON_THROW_ON_ERROR)), JSON_THROW_ON_ERROR), "\n";
    }
}
