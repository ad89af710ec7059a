# The Salesforce CLI, by the lines of the manual. It asks for the columns of each result, too.
source "$SUPPORT/proxy.sh"

export SF_AUTOUPDATE_DISABLE=true SF_DISABLE_TELEMETRY=true SF_SKIP_NEW_VERSION_CHECK=true

readme 'Salesforce CLI' sh > lines.sh
bash -e lines.sh > told.txt 2>&1 || { cat told.txt; exit 1; }
finds 'Successfully authorized' 001xx0000000001AAA 'Total number of records retrieved: 20.' < told.txt
echo "login and query as in the manual"

end_session
sf data query -o proxied -q 'SELECT Name, Account.Name FROM Contact LIMIT 1' --result-format csv |
    finds Name,Account.Name 'Ada Lovelace,Zürich Timber'
end_session
sf data query -o proxied -t -q 'SELECT Id, Name FROM ApexClass' --json | finds '"Greeter"'
echo "query of parents, and of the Tooling API"

end_session
echo "System.debug('Hello');" > hello.apex
sf apex run -o proxied -f hello.apex | finds 'Compiled successfully.' '|USER_DEBUG|[1]|DEBUG|Hello'
echo "Apex, with its log"

end_session
sf org list metadata -o proxied -m ReportFolder --json | finds '"fullName": "Billing"'
sf data search -o proxied -q 'FIND {Lovelace} RETURNING Contact(Id)' --json | finds 003xx0000000001AAA
echo "metadata in folders, and search"
