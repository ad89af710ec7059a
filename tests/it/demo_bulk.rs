//! The demo org's two Bulk APIs: real work in every format that clients use.

use http::{Method, StatusCode};
use reqwest::{Body, Response};
use serde_json::{Value, json};

use crate::support::{Demo, coding::gzip, json_of, path::JOB};

const XML: &str = "application/xml; charset=UTF-8";
const NS: &str = r#"xmlns="http://www.force.com/2009/06/asyncapi/dataload""#;

#[tokio::test]
async fn a_dead_session_shows_in_the_format_of_the_request() {
    let org = Demo::start().await;
    let token = org.session().await;
    let error = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><error {NS}><exceptionCode>InvalidSessionId</exceptionCode><exceptionMessage>Invalid session id</exceptionMessage></error>"#
    );
    for session in ["00Dxx0000001gPL!dead", &format!("Bearer {token}")] {
        let xml = org.bulk(Method::GET, JOB, session, XML, "").await;
        assert_eq!(xml.status(), StatusCode::BAD_REQUEST);
        assert_eq!(xml.headers()["content-type"], "application/xml");
        assert_eq!(xml.text().await.unwrap(), error);
        let json = org
            .bulk(Method::GET, JOB, session, "application/json", "")
            .await;
        assert_eq!(json.status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            json.text().await.unwrap(),
            r#"{"exceptionCode":"InvalidSessionId","exceptionMessage":"Invalid session id"}"#
        );
    }
    // Elsewhere a session counts in `Authorization`; here it does not.
    let missing = org.request(Method::GET, JOB, &token).await;
    assert_eq!(missing.status(), StatusCode::BAD_REQUEST);
    let text = missing.text().await.unwrap();
    assert!(text.contains("<exceptionCode>InvalidSessionId<"), "{text}");
    assert!(org.org.requests().iter().all(|seen| !seen.authorized));
}

#[tokio::test]
async fn xml_documents_and_csv_batches_make_records() {
    let org = Demo::start().await;
    let session = org.session().await;
    let created = org
        .bulk(
            Method::POST,
            JOB,
            &session,
            XML,
            job("insert", "Account", "CSV"),
        )
        .await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let info = created.text().await.unwrap();
    let names: Vec<_> = names(&info).collect();
    assert_eq!(
        names,
        [
            "jobInfo",
            "id",
            "operation",
            "object",
            "createdById",
            "createdDate",
            "systemModstamp",
            "state",
            "concurrencyMode",
            "contentType",
            "numberBatchesQueued",
            "numberBatchesInProgress",
            "numberBatchesCompleted",
            "numberBatchesFailed",
            "numberBatchesTotal",
            "numberRecordsProcessed",
            "numberRetries",
            "apiVersion",
            "numberRecordsFailed",
            "totalProcessingTime",
            "apiActiveProcessingTime",
            "apexProcessingTime",
        ],
        "the order of the schema"
    );
    let path = format!("{JOB}/{}", element(&info, "id"));

    let rows = "Name,NumberOfEmployees,Website\n\"Bulk, Inc.\",7,#N/A\n,8,\nThird,many,\n";
    let batch = org
        .bulk(
            Method::POST,
            &format!("{path}/batch"),
            &session,
            "text/csv",
            rows,
        )
        .await;
    assert_eq!(batch.status(), StatusCode::CREATED);
    let info = batch.text().await.unwrap();
    assert_eq!(element(&info, "state"), "Queued");
    let batch = format!("{path}/batch/{}", element(&info, "id"));
    let info = org.bulk_text(&batch, &session).await;
    assert_eq!(element(&info, "state"), "Completed");
    assert_eq!(element(&info, "numberRecordsProcessed"), "3");
    assert_eq!(element(&info, "numberRecordsFailed"), "2");

    let result = org
        .bulk(Method::GET, &format!("{batch}/result"), &session, XML, "")
        .await;
    assert_eq!(result.headers()["content-type"], "text/csv");
    let result = result.text().await.unwrap();
    let lines: Vec<_> = result.lines().collect();
    assert_eq!(lines[0], r#""Id","Success","Created","Error""#);
    assert!(lines[1].starts_with(r#""001xx"#) && lines[1].ends_with(r#"","true","true","""#));
    assert_eq!(
        lines[2],
        r#""","false","false","REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --""#
    );
    assert!(lines[3].contains("INVALID_TYPE_ON_FIELD_IN_RECORD"));
    assert_eq!(
        org.bulk_text(&format!("{batch}/request"), &session).await,
        rows
    );

    let list = org.bulk_text(&format!("{path}/batch/"), &session).await;
    assert!(list.contains(&format!("<batchInfoList {NS}><batchInfo><id>751")));
    let closed = format!("<jobInfo {NS}><state>Closed</state></jobInfo>");
    let closed = org.bulk(Method::POST, &path, &session, XML, closed).await;
    let info = closed.text().await.unwrap();
    assert_eq!(element(&info, "state"), "Closed");
    assert_eq!(element(&info, "numberBatchesTotal"), "1");
    let late = org
        .bulk(
            Method::POST,
            &format!("{path}/batch"),
            &session,
            "text/csv",
            rows,
        )
        .await;
    assert_eq!(late.status(), StatusCode::BAD_REQUEST);

    let found = org
        .query("SELECT NumberOfEmployees, Website FROM Account WHERE Name = 'Bulk, Inc.'")
        .await;
    assert_eq!(found["records"][0]["NumberOfEmployees"], 7);
    assert_eq!(found["records"][0]["Website"], Value::Null);
}

#[tokio::test]
async fn a_csv_job_reports_its_batches_in_xml_whoever_asks() {
    const JSON: &str = "application/json";
    let org = Demo::start().await;
    let session = org.session().await;
    let job = json!({"operation": "queryAll", "object": "Account", "contentType": "CSV"});
    let path = JOB.replace("67.0", "v67.0");
    let job = org
        .bulk(Method::POST, &path, &session, JSON, job.to_string())
        .await;
    let job = json_of(job).await["id"].as_str().unwrap().to_owned();
    let batches = format!("{JOB}/{job}/batch");
    let query = "SELECT Id, Name FROM Account";
    let batch = org
        .bulk(Method::POST, &batches, &session, "text/csv", query)
        .await;
    let batch = element(&batch.text().await.unwrap(), "id");
    for content_type in [JSON, XML, "text/csv"] {
        let get = async |path: &str| {
            let answer = org
                .bulk(Method::GET, path, &session, content_type, "")
                .await;
            assert_eq!(answer.status(), StatusCode::OK);
            answer.text().await.unwrap()
        };
        let list = get(&batches).await;
        assert!(list.contains("<batchInfoList xmlns="), "{list}");
        let info = get(&format!("{batches}/{batch}")).await;
        assert_eq!(element(&info, "state"), "Completed");
        let results = get(&format!("{batches}/{batch}/result")).await;
        let result = element(&results, "result");
        let rows = get(&format!("{batches}/{batch}/result/{result}")).await;
        assert_eq!(rows.lines().count(), 21, "{rows}");
    }
    // The job itself is reported in the form of the question.
    let closed = org
        .bulk(
            Method::POST,
            &format!("{JOB}/{job}"),
            &session,
            JSON,
            r#"{"state": "Closed"}"#,
        )
        .await;
    assert_eq!(json_of(closed).await["state"], "Closed");
    let closed = org
        .bulk(Method::GET, &format!("{JOB}/{job}"), &session, XML, "")
        .await;
    assert_eq!(element(&closed.text().await.unwrap(), "state"), "Closed");
}

#[tokio::test]
async fn json_updates_upserts_and_deletes() {
    let org = Demo::start().await;
    let session = org.session().await;
    let found = org.query("SELECT Id FROM Account LIMIT 2").await;
    let (one, two) = (&found["records"][0]["Id"], &found["records"][1]["Id"]);

    let rows = json!([{"Id": one, "Industry": "Optics"}, {"Id": "001xx000000zzzz", "Name": "x"}]);
    let results = org
        .json_job(&session, json!({"operation": "update"}), &rows)
        .await;
    let ok = json!({"success": true, "created": false, "id": one, "errors": []});
    assert_eq!(results[0], ok);
    assert_eq!(
        results[1]["errors"][0]["statusCode"],
        "INVALID_CROSS_REFERENCE_ID"
    );

    let rows = json!([{"Website": "https://new.example", "Name": "New"}, {"Website": "https://new.example", "Name": "Newer"}]);
    let upsert = json!({"operation": "upsert", "externalIdFieldName": "Website"});
    let results = org.json_job(&session, upsert, &rows).await;
    assert_eq!(
        (&results[0]["created"], &results[1]["created"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(results[0]["id"], results[1]["id"]);

    let rows = json!([{"Id": two}, {"Id": two}]);
    let results = org
        .json_job(&session, json!({"operation": "hardDelete"}), &rows)
        .await;
    assert_eq!(results[0]["success"], true);
    assert_eq!(results[1]["errors"][0]["statusCode"], "ENTITY_IS_DELETED");

    let found = org
        .query(
            "SELECT Name FROM Account WHERE Industry = 'Optics' OR Website = 'https://new.example'",
        )
        .await;
    assert_eq!(found["totalSize"], 2);
    assert_eq!(
        org.query("SELECT COUNT() FROM Account").await["totalSize"],
        20
    );
}

#[tokio::test]
async fn xml_batches_may_be_compressed_and_have_mistakes_reported_in_xml() {
    let org = Demo::start().await;
    let session = org.session().await;
    let created = org
        .bulk(
            Method::POST,
            "/services/async/67.0/job/",
            &session,
            XML,
            job("insert", "Contact", "XML"),
        )
        .await;
    let path = format!("{JOB}/{}", element(&created.text().await.unwrap(), "id"));
    let zipped = gzip(&format!(
        r#"<?xml version="1.0"?><sObjects {NS} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><sObject><type>Contact</type><LastName>O&apos;Hara &amp; Co</LastName><Phone xsi:nil="true"/></sObject><sObject><FirstName>No</FirstName></sObject></sObjects>"#
    ));
    let batch = org
        .client
        .post(org.url(&format!("{path}/batch")))
        .header("x-sfdc-session", &session)
        .header("content-type", XML)
        .header("content-encoding", "gzip")
        .body(zipped)
        .send()
        .await
        .unwrap();
    let id = element(&batch.text().await.unwrap(), "id");
    let result = org
        .bulk_text(&format!("{path}/batch/{id}/result"), &session)
        .await;
    assert!(result.contains("</id><success>true</success><created>true</created></result>"));
    assert!(result.ends_with("<result><errors><fields>LastName</fields><message>Required fields are missing: [LastName]</message><statusCode>REQUIRED_FIELD_MISSING</statusCode></errors><success>false</success><created>false</created></result></results>"), "{result}");
    let found = org
        .query("SELECT Id FROM Contact WHERE LastName = 'O\\'Hara & Co'")
        .await;
    assert_eq!(found["totalSize"], 1);
}

#[tokio::test]
async fn a_query_is_a_batch_whose_result_is_a_list_of_results() {
    let org = Demo::start().await;
    let session = org.session().await;
    let query = "SELECT Id, Account.Name FROM Contact ORDER BY Id LIMIT 1";
    let mut told = Vec::new();
    for format in ["CSV", "JSON", "XML"] {
        let doc = job("query", "Contact", format);
        let created = org.bulk(Method::POST, JOB, &session, XML, doc).await;
        let path = format!(
            "{JOB}/{}/batch",
            element(&created.text().await.unwrap(), "id")
        );
        let content_type = match format {
            "CSV" => "text/csv",
            "JSON" => "application/json",
            _ => "application/xml",
        };
        let batch = org
            .bulk(Method::POST, &path, &session, content_type, query)
            .await;
        let batch = batch.text().await.unwrap();
        let id = match format {
            "JSON" => serde_json::from_str::<Value>(&batch).unwrap()["id"]
                .as_str()
                .unwrap()
                .to_owned(),
            _ => element(&batch, "id"),
        };
        let path = format!("{path}/{id}/result");
        let list = org.bulk_text(&path, &session).await;
        let result = match format {
            "JSON" => serde_json::from_str::<Vec<String>>(&list)
                .unwrap()
                .remove(0),
            _ => {
                assert!(list.contains(&format!("<result-list {NS}><result>752")));
                element(&list, "result")
            }
        };
        told.push(org.bulk_text(&format!("{path}/{result}"), &session).await);
    }
    let contact = org.query(query).await["records"][0].clone();
    let (id, name) = (
        contact["Id"].as_str().unwrap(),
        contact["Account"]["Name"].as_str().unwrap(),
    );
    assert_eq!(
        told[0],
        format!("\"Id\",\"Account.Name\"\n\"{id}\",\"{name}\"\n")
    );
    assert_eq!(
        serde_json::from_str::<Value>(&told[1]).unwrap(),
        json!([contact])
    );
    assert!(told[2].contains(&format!("<records xsi:type=\"sObject\"><type>Contact</type><Id>{id}</Id><Account xsi:type=\"sObject\"><type>Account</type><Name>{name}</Name></Account></records>")), "{}", told[2]);

    let created = org
        .bulk(
            Method::POST,
            JOB,
            &session,
            XML,
            job("query", "Account", "CSV"),
        )
        .await;
    let path = format!(
        "{JOB}/{}/batch",
        element(&created.text().await.unwrap(), "id")
    );
    let batch = org
        .bulk(
            Method::POST,
            &path,
            &session,
            "text/csv",
            "SELECT Nope FROM Account",
        )
        .await;
    let id = element(&batch.text().await.unwrap(), "id");
    let info = org.bulk_text(&format!("{path}/{id}"), &session).await;
    assert_eq!(element(&info, "state"), "Failed");
    assert!(
        element(&info, "stateMessage").contains("INVALID_FIELD"),
        "{info}"
    );
}

#[tokio::test]
async fn bulk_2_loads_what_was_uploaded() {
    let org = Demo::start().await;
    let created = org
        .rest(Method::POST, "ingest", json!({"object": "Account", "operation": "insert", "contentType": "CSV", "lineEnding": "LF"}).to_string())
        .await;
    let info = json_of(created).await;
    assert_eq!(info["state"], "Open");
    let id = info["id"].as_str().unwrap();
    let path = format!("ingest/{id}");
    assert_eq!(
        info["contentUrl"],
        format!("services/data/v67.0/jobs/{path}/batches")
    );

    let uploaded = org
        .rest(
            Method::PUT,
            &format!("{path}/batches"),
            "Name,Industry\nGood,Paper\n,Bad\n",
        )
        .await;
    assert_eq!(uploaded.status(), StatusCode::CREATED);
    let open = org
        .rest(Method::GET, &format!("{path}/unprocessedrecords"), "")
        .await;
    assert_eq!(open.text().await.unwrap().lines().count(), 3);
    let complete = json!({"state": "UploadComplete"}).to_string();
    let info = json_of(org.rest(Method::PATCH, &path, complete.clone()).await).await;
    assert_eq!(info["state"], "UploadComplete");
    let info = json_of(org.rest(Method::GET, &path, "").await).await;
    assert_eq!(
        (
            &info["state"],
            &info["numberRecordsProcessed"],
            &info["numberRecordsFailed"]
        ),
        (&json!("JobComplete"), &json!(2), &json!(1))
    );
    let again = org.rest(Method::PATCH, &path, complete).await;
    assert_eq!(json_of(again).await[0]["errorCode"], "INVALIDJOBSTATE");

    let good = org
        .rest(Method::GET, &format!("{path}/successfulResults/"), "")
        .await;
    assert_eq!(good.headers()["content-type"], "text/csv");
    let good = good.text().await.unwrap();
    assert!(good.starts_with("\"sf__Id\",\"sf__Created\",\"Name\",\"Industry\"\n\"001xx"));
    assert!(good.ends_with("\",\"true\",\"Good\",\"Paper\"\n"), "{good}");
    let bad = org
        .rest(Method::GET, &format!("{path}/failedResults"), "")
        .await;
    assert_eq!(
        bad.text().await.unwrap(),
        "\"sf__Id\",\"sf__Error\",\"Name\",\"Industry\"\n\"\",\"REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --\",\"\",\"Bad\"\n"
    );

    let deleted = org.rest(Method::DELETE, &path, "").await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        org.rest(Method::GET, &path, "").await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        org.query("SELECT COUNT() FROM Account WHERE Name = 'Good'")
            .await["totalSize"],
        1
    );
}

#[tokio::test]
async fn bulk_2_gives_a_result_in_parts() {
    let org = Demo::start().await;
    let asked = json!({"operation": "query", "query": "SELECT Id, Name FROM Invoice__c"});
    let info = json_of(org.rest(Method::POST, "query", asked.to_string()).await).await;
    assert_eq!(
        (&info["state"], &info["object"]),
        (&json!("UploadComplete"), &json!("Invoice__c"))
    );
    let path = format!("query/{}", info["id"].as_str().unwrap());
    let info = json_of(org.rest(Method::GET, &path, "").await).await;
    assert_eq!(
        (&info["state"], &info["numberRecordsProcessed"]),
        (&json!("JobComplete"), &json!(5000))
    );

    let mut lines = 0;
    let mut next = String::new();
    let mut sizes = Vec::new();
    while next != "&locator=null" {
        let part = org
            .rest(
                Method::GET,
                &format!("{path}/results?maxRecords=2000{next}"),
                "",
            )
            .await;
        sizes.push(
            part.headers()["sforce-numberofrecords"]
                .to_str()
                .unwrap()
                .to_owned(),
        );
        next = format!(
            "&locator={}",
            part.headers()["sforce-locator"].to_str().unwrap()
        );
        let text = part.text().await.unwrap();
        assert!(text.starts_with("\"Id\",\"Name\"\n"));
        lines += text.lines().count() - 1;
    }
    assert_eq!(
        (lines, sizes),
        (
            5000,
            vec!["2000".to_owned(), "2000".to_owned(), "1000".to_owned()]
        )
    );

    let wrong = json!({"operation": "query", "query": "SELECT Nope FROM Account"});
    let wrong = org.rest(Method::POST, "query", wrong.to_string()).await;
    assert_eq!(json_of(wrong).await[0]["errorCode"], "INVALID_FIELD");
}

impl Demo {
    async fn bulk(
        &self,
        method: Method,
        path: &str,
        session: &str,
        content_type: &str,
        body: impl Into<Body>,
    ) -> Response {
        let request = self.client.request(method, self.url(path));
        let request = request
            .header("x-sfdc-session", session)
            .header("content-type", content_type);
        request.body(body).send().await.unwrap()
    }

    /// Gets it as strict clients do, who name no type of a content that is not there.
    async fn bulk_text(&self, path: &str, session: &str) -> String {
        let request = self.client.get(self.url(path));
        let answer = request.header("x-sfdc-session", session).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    /// The results of a job on accounts, all in JSON.
    async fn json_job(&self, session: &str, mut job: Value, rows: &Value) -> Value {
        const JSON: &str = "application/json";
        job["object"] = "Account".into();
        job["contentType"] = "JSON".into();
        job["concurrencyMode"] = 0.into();
        let job = self
            .bulk(Method::POST, JOB, session, JSON, job.to_string())
            .await;
        let job = json_of(job).await;
        assert_eq!(job["apiVersion"], 67.0);
        let path = format!("{JOB}/{}/batch", job["id"].as_str().unwrap());
        let batch = self
            .bulk(Method::POST, &path, session, JSON, rows.to_string())
            .await;
        let id = json_of(batch).await["id"].as_str().unwrap().to_owned();
        let list = json_of(self.bulk(Method::GET, &path, session, JSON, "").await).await;
        assert_eq!(list["batchInfo"][0]["state"], "Completed");
        let path = format!("{path}/{id}/result");
        json_of(self.bulk(Method::GET, &path, session, JSON, "").await).await
    }

    async fn rest(&self, method: Method, path: &str, body: impl Into<Body>) -> Response {
        let url = self.url(&format!("/services/data/v67.0/jobs/{path}"));
        let request = self.client.request(method, url);
        let request = request.bearer_auth(self.session().await);
        request.body(body).send().await.unwrap()
    }
}

fn job(operation: &str, object: &str, content_type: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<jobInfo {NS}>
  <operation>{operation}</operation>
  <object>{object}</object>
  <contentType>{content_type}</contentType>
</jobInfo>"#
    )
}

/// The text of the first element of a name.
fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("{name}: {xml}"));
    rest.split_once("</").unwrap().0.to_owned()
}

/// The names of the elements, as they open.
fn names(xml: &str) -> impl Iterator<Item = &str> {
    xml.split('<')
        .filter(|tag| !tag.is_empty() && !tag.starts_with(['?', '/']))
        .filter_map(|tag| tag.split([' ', '>']).next())
}
