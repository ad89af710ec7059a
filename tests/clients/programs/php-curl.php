<?php
// As how-tos for the JWT bearer flow have it: the assertion is posted as an array, which makes it
// multipart/form-data, and everything after goes to where the answer leads.

$proxy = getenv('PROXY');

function did(string $what): void
{
    echo $what, "\n";
}

function check(bool $holds, mixed $got): void
{
    if (!$holds) {
        var_dump($got);
        exit(1);
    }
}

function send(string $url, array $options = []): array
{
    $curl = curl_init($url);
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true] + $options);
    $answer = curl_exec($curl);
    check($answer !== false, curl_error($curl));
    return [curl_getinfo($curl, CURLINFO_RESPONSE_CODE), json_decode($answer)];
}

function end_session(): void
{
    [, $ended] = send(getenv('PROXY') . '/services/apexrest/demo/session', [CURLOPT_CUSTOMREQUEST => 'DELETE']);
    check($ended->ended >= 1, $ended);
}

$key = openssl_pkey_new(['private_key_bits' => 2048]);
$encoded = fn(string $text) => rtrim(strtr(base64_encode($text), '+/', '-_'), '=');
$claims = ['iss' => 'any', 'sub' => 'me@example.com', 'aud' => 'https://login.salesforce.com', 'exp' => time() + 180];
$signed = $encoded(json_encode(['alg' => 'RS256'])) . '.' . $encoded(json_encode($claims));
openssl_sign($signed, $signature, $key, OPENSSL_ALGO_SHA256);
$form = [
    'grant_type' => 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    'assertion' => "$signed." . $encoded($signature),
];

foreach (['multipart' => $form, 'urlencoded' => http_build_query($form)] as $how => $fields) {
    [$status, $token] = send("$proxy/services/oauth2/token", [CURLOPT_POST => true, CURLOPT_POSTFIELDS => $fields]);
    check($status === 200 && $token->instance_url === $proxy, $token);
    did("token, $how");

    end_session();
    $authorization = ["Authorization: Bearer $token->access_token"];
    $query = '/services/data/v62.0/query?q=' . urlencode("SELECT Id, Name FROM Account");
    [$status, $found] = send($token->instance_url . $query, [CURLOPT_HTTPHEADER => $authorization]);
    check($status === 200 && $found->totalSize === 20, $found);
    did('query with it');
}
