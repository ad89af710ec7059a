<?php
// SoapClient with the partner WSDL, logging in with a password.

$proxy = getenv('PROXY');

function check(bool $holds, mixed $got): void
{
    if (!$holds) {
        var_dump($got);
        exit(1);
    }
}

function end_session(): void
{
    $delete = stream_context_create(['http' => ['method' => 'DELETE']]);
    $ended = file_get_contents(getenv('PROXY') . '/services/apexrest/demo/session', false, $delete);
    check(json_decode($ended)->ended >= 1, $ended);
}

$soap = new SoapClient(__DIR__ . '/../support/partner.wsdl', [
    'location' => "$proxy/services/Soap/u/62.0",
    // Requests are compressed, too.
    'compression' => SOAP_COMPRESSION_ACCEPT | SOAP_COMPRESSION_GZIP,
]);
$login = $soap->login(['username' => 'me@example.com', 'password' => 'any'])->result;
check(str_starts_with($login->serverUrl, "$proxy/services/Soap/u/62.0/00D"), $login);
echo "login\n";

$soap->__setLocation($login->serverUrl);
$session = new SoapHeader('urn:partner.soap.sforce.com', 'SessionHeader', ['sessionId' => $login->sessionId]);
$soap->__setSoapHeaders($session);
end_session();
$found = $soap->query(['queryString' => 'SELECT Id, Name FROM Account'])->result;
check($found->size === 20, $found);
echo "query\n";

$sObject = new SoapVar('<ns1:sObjects><type xmlns="urn:sobject.partner.soap.sforce.com">Account</type>'
    . '<Name>Made by PHP</Name></ns1:sObjects>', XSD_ANYXML);
end_session();
$made = $soap->create(new SoapVar([$sObject], SOAP_ENC_OBJECT))->result;
check($made->success, $made);
end_session();
$deleted = $soap->delete(['ids' => [$made->id]])->result;
check($deleted->success, $deleted);
echo "create and delete\n";

$info = $soap->getUserInfo()->result;
check(str_starts_with($info->organizationId, '00D'), $info);
try {
    $soap->query(['queryString' => 'SELECT Nope FROM Account']);
    check(false, 'no fault');
} catch (SoapFault $fault) {
    check(str_contains($fault->faultcode, 'INVALID_FIELD'), $fault->faultcode);
}
echo "user info and a fault\n";
