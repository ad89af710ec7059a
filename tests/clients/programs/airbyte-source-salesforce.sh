# It names login.salesforce.com, and looks for names of headers as Salesforce spells them.
source "$SUPPORT/proxy.sh"

cat > config.json << 'END'
{"client_id": "any", "client_secret": "any", "refresh_token": "any", "auth_type": "Client",
 "is_sandbox": false, "start_date": "2020-01-01T00:00:00Z",
 "streams_criteria": [{"criteria": "exacts", "value": "Account"}]}
END
cat > catalog.json << 'END'
{"streams": [{"stream": {"name": "Account", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
              "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]}
END

# The variables of the manual, and its line for this program.
readme 'Airbyte' sh | grep -v tap-salesforce > lines.sh
bash -ec "$(grep '^export ' lines.sh)
    source-salesforce check --config config.json" > told.txt || { cat told.txt; exit 1; }
finds '"status":"SUCCEEDED"' < told.txt
echo "check"

end_session
bash -e lines.sh > told.txt || { cat told.txt; exit 1; }
records=$(grep -c '^{"type":"RECORD"' told.txt)
[ "$records" -eq 20 ] || { echo "$records records"; tail -n 20 told.txt; exit 1; }
finds 'Zürich Timber' < told.txt
echo "read, by Bulk 2"
