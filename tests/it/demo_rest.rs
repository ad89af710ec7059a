//! The rest of the demo org's REST API: what describes, searches and bundles.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::{
    Demo, json_of,
    path::{LIMITS, REST},
};

#[tokio::test]
async fn columns_are_described_in_place_of_a_result() {
    let org = Demo::start().await;
    let path =
        "query?columns=true&q=SELECT+Name,AccountId,Account.Name,Account.Owner.Email+FROM+Contact";
    for path in [path.to_owned(), format!("tooling/{path}")] {
        let told = org.ask(&path).await;
        assert_eq!(told["entityName"], "Contact");
        assert_eq!(told["keyPrefix"], "003");
        assert_eq!(told["idSelected"], false);
        assert!(told.get("records").is_none(), "{told}");
        let columns = told["columnMetadata"].as_array().unwrap();
        let names: Vec<_> = columns
            .iter()
            .map(|column| column["columnName"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["Name", "AccountId", "Account"]);
        assert_eq!(columns[0]["apexType"], "String");
        assert_eq!(columns[0]["joinColumns"], json!([]));
        let owner = &columns[2]["joinColumns"][1];
        assert_eq!(columns[2]["joinColumns"][0]["columnName"], "Name");
        assert_eq!(owner["joinColumns"][0]["columnName"], "Email");
    }

    let counted = org
        .ask("query?columns=true&q=SELECT+COUNT(Id)+FROM+Account")
        .await;
    assert_eq!(counted["columnMetadata"][0]["columnName"], "expr0");
    assert_eq!(counted["columnMetadata"][0]["aggregate"], true);
    let counted = org
        .ask("query?columns=true&q=SELECT+COUNT()+FROM+Account")
        .await;
    assert_eq!(counted["columnMetadata"], json!([]));
    let wrong = org
        .ask("query?columns=true&q=SELECT+Nope+FROM+Account")
        .await;
    assert_eq!(wrong[0]["errorCode"], "INVALID_FIELD");
    let plain = org
        .ask("query?columns=false&q=SELECT+Id+FROM+Account")
        .await;
    assert_eq!(plain["totalSize"], 20);
}

#[tokio::test]
async fn the_tooling_api_queries_and_runs_apex() {
    let org = Demo::start().await;
    let classes = org
        .ask("tooling/query?q=SELECT+Id,Name+FROM+ApexClass")
        .await;
    assert_eq!(classes["totalSize"], 2);
    assert_eq!(classes["records"][0]["Name"], "Greeter");

    let first = org.ask("tooling/query?q=SELECT+Id+FROM+Invoice__c").await;
    let next = first["nextRecordsUrl"].as_str().unwrap();
    assert!(
        next.starts_with("/services/data/v62.0/tooling/query/01g"),
        "{next}"
    );
    let next = org
        .ask(next.trim_start_matches("/services/data/v62.0/"))
        .await;
    assert_eq!(next["records"].as_array().unwrap().len(), 2000);

    let ran = org
        .ask("tooling/executeAnonymous?anonymousBody=Integer+i=1;")
        .await;
    assert_eq!(
        (&ran["compiled"], &ran["success"], &ran["line"]),
        (&json!(true), &json!(true), &json!(-1))
    );
    let wrong = org.ask("tooling/executeAnonymous").await;
    assert!(
        wrong[0]["message"]
            .as_str()
            .unwrap()
            .contains("anonymousBody")
    );
}

#[tokio::test]
async fn a_batch_carries_out_what_it_can() {
    let org = Demo::start().await;
    let token = org.session().await;
    let mut body = json!({"batchRequests": [
        {"method": "POST", "url": "v62.0/sobjects/Account", "richInput": {"Name": "Made in a batch"}},
        {"method": "GET", "url": "/services/data/v62.0/sobjects/Nope"},
        {"method": "GET", "url": "/v62.0/query?q=SELECT+Id+FROM+Account+WHERE+Name+=+'Made+in+a+batch'"},
        {"method": "POST", "url": "v62.0/composite/batch", "richInput": {"batchRequests": []}},
        {"method": "GET", "url": "v9.0/limits"},
    ]});
    let path = format!("{REST}/composite/batch");
    let answer = org.post(&path, &token, &body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer = json_of(answer).await;
    assert_eq!(answer["hasErrors"], true);
    let codes = |answer: &Value| -> Vec<_> {
        let results = answer["results"].as_array().unwrap().iter();
        results
            .map(|one| one["statusCode"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(codes(&answer), [201, 404, 200, 404, 410]);
    assert_eq!(answer["results"][0]["result"]["success"], true);
    assert_eq!(answer["results"][2]["result"]["totalSize"], 1);

    body["haltOnError"] = true.into();
    let answer = json_of(org.post(&path, &token, &body).await).await;
    assert_eq!(codes(&answer), [201, 404, 412, 412, 412]);
    assert_eq!(
        answer["results"][4]["result"][0]["errorCode"],
        "BATCH_PROCESSING_HALTED"
    );

    let many = vec![json!({"method": "GET", "url": "v62.0/limits"}); 26];
    let answer = org
        .post(&path, &token, &json!({"batchRequests": many}))
        .await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    for wrong in [json!({}), json!([])] {
        for what in ["batch", "sobjects"] {
            let path = format!("{REST}/composite/{what}");
            let answer = org.post(&path, &token, &wrong).await;
            assert_eq!(json_of(answer).await[0]["errorCode"], "JSON_PARSER_ERROR");
        }
    }
}

#[tokio::test]
async fn records_are_found_by_their_words() {
    let org = Demo::start().await;
    let token = org.session().await;
    for path in [
        "search?q=FIND+{Lovelace}+IN+NAME+FIELDS+RETURNING+Contact(Id,+Name+WHERE+FirstName+=+'Ada'),+Account+LIMIT+1",
        "parameterizedSearch?q=Lovelace&in=NAME&sobject=Contact&Contact.fields=Id,Name&Contact.where=FirstName+=+'Ada'&Contact.limit=1",
    ] {
        let found = org.ask(path).await;
        let records = found["searchRecords"].as_array().unwrap();
        assert_eq!(records.len(), 1, "{found}");
        assert_eq!(records[0]["Name"], "Ada Lovelace");
        assert_eq!(records[0]["attributes"]["type"], "Contact");
    }
    let asked = json!({"q": "Lovelace OR Hopper", "in": "ALL", "fields": ["Id", "LastName"],
        "sobjects": [{"name": "Contact"}, {"name": "Account", "fields": ["Id"]}], "overallLimit": 3});
    let path = format!("{REST}/parameterizedSearch");
    let found = json_of(org.post(&path, &token, &asked).await).await;
    let records = found["searchRecords"].as_array().unwrap();
    assert_eq!(records.len(), 3, "{found}");
    assert!(records[0]["LastName"].is_string(), "{found}");

    for path in [
        "search",
        "search?q=Lovelace",
        "search?q=FIND+{L}",
        "parameterizedSearch",
        "parameterizedSearch?q=Lovelace&in=NOWHERE",
    ] {
        let wrong = org.ask(path).await;
        assert_eq!(wrong[0]["errorCode"], "MALFORMED_SEARCH", "{path} {wrong}");
    }
}

#[tokio::test]
async fn objects_and_fields_are_described_in_full() {
    let org = Demo::start().await;
    let all = org.ask("sobjects").await;
    let account = &all["sobjects"][1];
    assert_eq!(account["name"], "Account");
    let names: Vec<_> = account.as_object().unwrap().keys().collect();
    let expected = "activateable associateEntityType associateParentEntity createable custom \
                    customSetting deepCloneable deletable deprecatedAndHidden feedEnabled \
                    hasSubtypes isInterface isSubtype keyPrefix label labelPlural layoutable \
                    mergeable mruEnabled name queryable replicateable retrieveable searchable \
                    triggerable undeletable updateable urls";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());

    let described = org.ask("sobjects/Account/describe").await;
    let children = described["childRelationships"].as_array().unwrap();
    assert!(
        children
            .iter()
            .any(|child| child["childSObject"] == "Contact")
    );
    for field in described["fields"].as_array().unwrap() {
        assert_eq!(field.as_object().unwrap().len(), 57, "{field}");
    }
    let owner = &described["fields"][7];
    assert_eq!(owner["name"], "OwnerId");
    assert_eq!(owner["soapType"], "tns:ID");
    assert_eq!(owner["referenceTo"], json!(["User"]));
}

#[test_case("gzip"; "gzip")]
#[test_case("deflate"; "deflate")]
#[test_case("br"; "one that it does not know")]
#[tokio::test]
async fn a_body_that_is_not_there_is_compressed_in_any_way(coding: &str) {
    let org = Demo::start().await;
    let token = org.session().await;
    for (method, path, status) in [
        (Method::GET, LIMITS, 200),
        (
            Method::DELETE,
            "/services/data/v62.0/sobjects/Account/001xx0000000001AAA",
            204,
        ),
        // It says what is wrong with no envelope, not with its coding.
        (Method::POST, "/services/Soap/u/v62.0", 500),
        (
            Method::GET,
            "/services/async/62.0/job/750xx0000000001AAA",
            400,
        ),
    ] {
        let request = org
            .client
            .request(method, org.url(path))
            .bearer_auth(&token);
        let request = request
            .header("x-sfdc-session", &token)
            .header("content-encoding", coding);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let text = answer.text().await.unwrap();
        for complaint in ["unknown encoding", "corrupt", "Cannot inflate"] {
            assert!(!text.contains(complaint), "{text}");
        }
    }
}

impl Demo {
    async fn ask(&self, path: &str) -> Value {
        let token = self.session().await;
        json_of(
            self.request(Method::GET, &format!("{REST}/{path}"), &token)
                .await,
        )
        .await
    }
}
