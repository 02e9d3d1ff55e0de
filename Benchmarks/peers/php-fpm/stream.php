<?php
// The relay on php-fpm: a process for each stream, libcurl towards the provider.
// PHP 8.2 keeps no curl connection beyond the request, so each stream opens one.

ignore_user_abort(true); // the write function tells curl of it; by default PHP would end amid curl's own call

header('Content-Type: text/event-stream');
header('Cache-Control: no-cache');
header('X-Accel-Buffering: no');

const JSON = JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES;

$rest = ''; // a line whose end has not arrived
$done = false;
$failure = null;

$relay = function (CurlHandle $call, string $bytes) use (&$rest, &$done, &$failure): int {
    $lines = explode("\n", $rest . $bytes);
    $rest = array_pop($lines);
    try {
        foreach ($lines as $line) {
            if (!str_starts_with($line, 'data:')) {
                continue;
            }
            $data = trim(substr($line, 5));
            if ($data === '[DONE]') {
                echo "event: done\ndata: {}\n\n";
                $done = true;
                continue;
            }
            $token = json_decode($data, true, 512, JSON_THROW_ON_ERROR)['choices'][0]['delta']['content'] ?? '';
            if ($token !== '') {
                echo 'data: ', json_encode(['token' => $token], JSON), "\n\n";
            }
        }
    } catch (JsonException $error) {
        $failure = 'the provider sent no JSON: ' . $error->getMessage();
        return -1;
    }
    flush();
    return connection_aborted() ? -1 : strlen($bytes);
};

$call = curl_init(getenv('PROVIDER') . '/chat/completions');
curl_setopt_array($call, [
    CURLOPT_POSTFIELDS => json_encode([
        'model' => 'mock',
        'stream' => true,
        'messages' => [['role' => 'user', 'content' => $_GET['prompt'] ?? '']],
    ], JSON_THROW_ON_ERROR),
    CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
    CURLOPT_FAILONERROR => true,
    CURLOPT_WRITEFUNCTION => $relay,
]);
$whole = curl_exec($call);

if (!$done) {
    $failure ??= $whole ? 'the provider ended without [DONE]' : curl_error($call);
    echo "event: error\ndata: ", json_encode(['message' => $failure], JSON), "\n\n";
}
