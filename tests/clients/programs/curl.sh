# REST, SOAP and Bulk by hand, as scripts do it.
source "$SUPPORT/proxy.sh"

data=$PROXY/services/data/v62.0
async=$PROXY/services/async/62.0
soap=$PROXY/services/Soap/u/62.0

value() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

element() { sed -n "s/.*<$1>\([^<]*\)<.*/\1/p"; }

envelope() {
    echo "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/'" \
        "xmlns:urn='urn:partner.soap.sforce.com'>$1<soapenv:Body>$2</soapenv:Body></soapenv:Envelope>"
}

header="<soapenv:Header><urn:SessionHeader><urn:sessionId>$PLACEHOLDER</urn:sessionId></urn:SessionHeader></soapenv:Header>"

call() { ask "$soap" -H 'Content-Type: text/xml; charset=UTF-8' -H 'SOAPAction: ""' "$@"; }

ask -G "$data/query" --data-urlencode 'q=SELECT Id, Name FROM Account' | finds '"totalSize":20' '"done":true'
echo "query"

id=$(ask "$data/sobjects/Account" -H 'Content-Type: application/json' -d '{"Name": "Made by curl"}' | value id)
end_session
ask -X PATCH "$data/sobjects/Account/$id" -H 'Content-Type: application/json' -d '{"Website": "https://a.example"}'
ask --compressed "$data/sobjects/Account/$id" | finds '"Name":"Made by curl"' '"Website":"https://a.example"'
ask -X DELETE "$data/sobjects/Account/$id"
echo "create, update, read and delete"

# More than the proxy keeps to send again: it says so with a status that curl takes for passing.
end_session
head -c 3000000 /dev/urandom > upload
ask --retry 1 "$PROXY/services/apexrest/echo" -H 'Content-Type: application/x-any' \
    --data-binary @upload -o download
cmp upload download
echo "upload and download with Expect: 100-continue"

end_session
call -d "$(envelope "$header" '<urn:getUserInfo/>')" | finds '<organizationId>00D' '<userEmail>'
echo "SOAP getUserInfo"

end_session
call -d "$(envelope "<soapenv:Header/>" \
    "<urn:query><urn:queryString>SELECT Id, Name FROM Account LIMIT 3</urn:queryString></urn:query>")" |
    finds '<size>3</size>'
echo "SOAP query with an empty header"

end_session
envelope "$header" "<urn:create><urn:sObjects xsi:type='s:sObject'
    xmlns:s='urn:sobject.partner.soap.sforce.com' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>
    <s:type>Account</s:type><s:Name>Made by SOAP &amp; gzip</s:Name></urn:sObjects></urn:create>" |
    gzip > create.gz
call -H 'Content-Encoding: gzip' --data-binary @create.gz | finds '<success>true</success>'
ask -G "$data/query" --data-urlencode "q=SELECT Id FROM Account WHERE Name = 'Made by SOAP & gzip'" |
    finds '"totalSize":1'
echo "SOAP create in gzip"

login="<urn:login><urn:username>me@example.com</urn:username><urn:password>any</urn:password></urn:login>"
call -d "$(envelope '' "$login")" > login.xml
url=$(element serverUrl < login.xml)
session=$(element sessionId < login.xml)
case $url in "$PROXY"/services/Soap/u/62.0/00D*) ;; *) echo "leads elsewhere: $url"; exit 1 ;; esac
case $session in 00D*!*) ;; *) echo "not the shape of a session: $session"; exit 1 ;; esac
end_session
soap=$url
header=${header/"$PLACEHOLDER"/"$session"}
call -d "$(envelope "$header" '<urn:getServerTimestamp/>')" | finds '<timestamp>'
call -d "$(envelope "$header" '<urn:logout/>')" | finds 'logoutResponse'
call -d "$(envelope "$header" '<urn:getServerTimestamp/>')" | finds '<timestamp>'
echo "SOAP login, and logout, which ends nothing"

ask "$PROXY/services/oauth2/token" -d grant_type=password -d client_id=any -d client_secret=any \
    -d username=me@example.com -d password=any > token.json
finds "\"instance_url\":\"$PROXY\"" < token.json
ask "$PROXY/services/oauth2/userinfo" -H "Authorization: Bearer $(value access_token < token.json)" |
    finds '"organization_id":"00D' "$PROXY"
echo "OAuth with a password, and userinfo"

job=$(ask "$async/job" -H "X-SFDC-Session: $PLACEHOLDER" -H 'Content-Type: application/json' \
    -d '{"operation": "insert", "object": "Account", "contentType": "JSON"}' | value id)
end_session
ask "$async/job/$job/batch" -H "X-SFDC-Session: $PLACEHOLDER" -H 'Content-Type: application/json' \
    -d '[{"Name": "Made by Bulk"}]' | finds "\"jobId\":\"$job\""
end_session
ask "$async/job/$job" -H "X-SFDC-Session: $PLACEHOLDER" -H 'Content-Type: application/json' \
    -d '{"state": "Closed"}' | finds '"state":"Closed"'
echo "Bulk 1 in JSON"

[ -n "$PROXY_TLS" ] || { echo "the proxy does not listen for TLS"; exit 1; }
for how in --http1.1 --http2; do
    end_session
    ask $how --cacert "$PROXY_CA" "$PROXY_TLS/services/data/v62.0/limits" | finds DailyApiRequests
done
echo "TLS, and HTTP/2 within it"
