//! The demo org does what an org does, over real sockets.

use std::{io, sync::Arc, time::Duration};

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use orgproxy::demo::{Fault, TOKEN, Then, blocks};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task,
};
use tokio_rustls::client::TlsStream;

use crate::support::{
    Demo, Digest,
    demo::{QUERY, encoded},
    in_time, json_of,
    path::{BYTES, SINK},
    sha256,
};

#[tokio::test]
async fn a_login_gives_what_salesforce_gives() {
    let org = Demo::start().await;
    let answer = org.log_in(org.claims()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let body = json_of(answer).await;

    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    let expected = ["access_token", "scope", "instance_url", "id", "token_type"];
    assert_eq!(names, expected);
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(token.len(), 112);
    assert!(token.starts_with("00Dxx0000001gPL!"));
    assert_eq!(body["instance_url"], org.org.instance_url());
    assert_eq!(org.org.logins(), 1);
}

#[tokio::test]
async fn a_living_session_is_given_again_and_a_dead_one_is_not() {
    let org = Demo::start().await;
    let first = org.session().await;
    assert_eq!(org.session().await, first);
    org.org.end_sessions();
    let second = org.session().await;
    assert_ne!(second, first);
    org.org.set(|knobs| knobs.reuse_session = false);
    assert_ne!(org.session().await, second);
}

#[tokio::test]
async fn a_wrong_assertion_is_refused_in_salesforces_words() {
    let org = Demo::start().await;
    let cases = [
        (
            "iss",
            json!("other"),
            "invalid_client_id",
            "client identifier invalid",
        ),
        (
            "aud",
            json!("login.salesforce.com"),
            "invalid_grant",
            "audience is invalid",
        ),
        (
            "aud",
            json!(["https://login.salesforce.com"]),
            "invalid_grant",
            "audience is invalid",
        ),
        (
            "exp",
            json!(1_333_685_628),
            "invalid_grant",
            "expired authorization code",
        ),
        (
            "exp",
            json!("1333685628"),
            "invalid_grant",
            "expired authorization code",
        ),
        (
            "sub",
            json!("x@y.z"),
            "invalid_grant",
            "user hasn't approved this consumer",
        ),
        (
            "prn",
            json!("x@y.z"),
            "invalid_grant",
            "user hasn't approved this consumer",
        ),
        ("exp", json!(null), "invalid_grant", "invalid assertion"),
    ];
    for (claim, value, error, description) in cases {
        let mut claims = org.claims();
        claims[claim] = value;
        let answer = org.log_in(claims).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{claim}");
        let body = json_of(answer).await;
        assert_eq!(
            body,
            json!({"error": error, "error_description": description})
        );
    }
    assert_eq!(org.org.logins(), 0);
    assert_eq!(org.org.counts().refusals, 8);
}

#[tokio::test]
async fn an_assertion_that_another_key_signed_is_refused() {
    let org = Demo::start().await;
    let assertion = org.assertion(&org.claims());
    let (signed, _) = assertion.rsplit_once('.').unwrap();
    for bad in [
        format!("{signed}.AAAA"),
        signed.to_owned(),
        "x".to_owned(),
        String::new(),
    ] {
        let body = json_of(org.send_assertion(&bad).await).await;
        assert_eq!(body["error_description"], "invalid assertion", "{bad}");
    }
    let body = org
        .client
        .post(org.url(TOKEN))
        .body("grant_type=password")
        .send()
        .await
        .unwrap();
    assert_eq!(
        json_of(body).await,
        json!({"error": "unsupported_grant_type", "error_description": "grant type not supported"})
    );
}

#[tokio::test]
async fn the_token_endpoint_fails_on_demand() {
    let org = Demo::start().await;
    let faults = org.org.faults();
    faults.next(
        1,
        TOKEN,
        Fault::login_refused("invalid_grant", "user is locked"),
    );
    faults.next(1, TOKEN, Fault::html(StatusCode::SERVICE_UNAVAILABLE));
    faults.next(1, "/", Fault::html(StatusCode::BAD_GATEWAY));

    let body = json_of(org.log_in(org.claims()).await).await;
    assert_eq!(body["error_description"], "user is locked");
    assert_eq!(org.log_in(org.claims()).await.status(), 503);
    assert_eq!(
        org.log_in(org.claims()).await.status(),
        200,
        "`/` is not for logins"
    );
    assert_eq!(org.get("/services/data").await.status(), 502);
}

#[tokio::test]
async fn access_tokens_may_be_jwts_that_say_when_they_expire() {
    let org = Demo::start().await;
    org.org.set(|knobs| {
        knobs.jwt_tokens = true;
        knobs.expires_in = Some(60);
        knobs.instance_url = Some("https://demo.my.salesforce.com".to_owned());
    });
    let body = json_of(org.log_in(org.claims()).await).await;
    let token = body["access_token"].as_str().unwrap();
    assert!(token.starts_with("eyJ"));
    assert_eq!(body["expires_in"], 60);
    assert_eq!(body["instance_url"], "https://demo.my.salesforce.com");
    let answer = org
        .request(Method::GET, "/services/data/v67.0", token)
        .await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_dead_session_shows_as_each_family_shows_it() {
    let org = Demo::start().await;
    let dead = "00Dxx0000001gPL!dead";

    let rest = org
        .request(Method::GET, "/services/data/v67.0/limits", dead)
        .await;
    assert_eq!(rest.status(), 401);
    let expected =
        json!([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]);
    assert_eq!(json_of(rest).await, expected);

    let xml = org
        .client
        .get(org.url("/services/data/v67.0/limits"))
        .header("accept", "application/xml")
        .send()
        .await
        .unwrap();
    assert_eq!(xml.status(), 401);
    let text = xml.text().await.unwrap();
    assert!(text.ends_with("<Errors><Error><errorCode>INVALID_SESSION_ID</errorCode><message>Session expired or invalid</message></Error></Errors>"), "{text}");

    for path in [
        "/services/oauth2/userinfo",
        "/id/00Dxx0000001gPLEAY/005xx000001SwiUAAS",
    ] {
        let answer = org.request(Method::GET, path, dead).await;
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.text().await.unwrap(), "Bad_OAuth_Token");
    }

    let soap = org
        .client
        .post(org.url("/services/Soap/u/64.0"))
        .body(r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><getUserInfo xmlns="urn:partner.soap.sforce.com"/></e:Body></e:Envelope>"#)
        .send()
        .await
        .unwrap();
    assert_eq!(soap.status(), 500);
    assert!(
        soap.text()
            .await
            .unwrap()
            .contains("<faultcode>sf:INVALID_SESSION_ID</faultcode>")
    );
    assert!(org.org.requests().iter().all(|seen| !seen.authorized));
}

#[tokio::test]
async fn a_session_dies_of_idleness_and_by_revocation() {
    let org = Demo::start().await;
    let token = org.session().await;
    assert_eq!(
        org.request(Method::GET, "/services/data/v67.0", &token)
            .await
            .status(),
        200
    );
    org.org.set(|knobs| knobs.session_timeout = Duration::ZERO);
    assert_eq!(
        org.request(Method::GET, "/services/data/v67.0", &token)
            .await
            .status(),
        401
    );

    org.org
        .set(|knobs| knobs.session_timeout = Duration::from_secs(60));
    let token = org.session().await;
    let form = format!("token={token}");
    let revoked = org
        .client
        .post(org.url("/services/oauth2/revoke"))
        .body(form)
        .send()
        .await
        .unwrap();
    assert_eq!(revoked.status(), 200);
    assert_eq!(
        org.request(Method::GET, "/services/data/v67.0", &token)
            .await
            .status(),
        401
    );
}

#[tokio::test]
async fn a_client_can_end_every_session() {
    let org = Demo::start().await;
    org.org.set(|knobs| knobs.reuse_session = false);
    let (first, second) = (org.session().await, org.session().await);
    let end = async |token: &str| {
        let path = "/services/apexrest/demo/session";
        org.request(Method::DELETE, path, token).await
    };
    assert_eq!(json_of(end(&first).await).await, json!({"ended": 2}));
    assert_eq!(end(&second).await.status(), 401);
}

#[tokio::test]
async fn the_rest_api_has_its_headers_and_versions() {
    let org = Demo::start().await;
    let versions = json_of(org.get("/services/data").await).await;
    let last = versions.as_array().unwrap().last().unwrap().clone();
    let expected = json!({"label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0"});
    assert_eq!(last, expected);
    assert_eq!(versions[1]["label"], "Winter '15");

    let answer = org.get("/services/data/v67.0/limits").await;
    let headers = answer.headers();
    assert_eq!(headers["sforce-limit-info"], "api-usage=18/15000");
    assert_eq!(headers["content-type"], "application/json;charset=UTF-8");
    assert_eq!(headers.get_all("set-cookie").iter().count(), 3);

    assert_eq!(org.get("/services/data/v29.0/limits").await.status(), 410);
    assert_eq!(org.get("/services/data/v68.0/limits").await.status(), 404);
    let unknown = org.get("/services/data/v67.0/nothing").await;
    let expected =
        json!([{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}]);
    assert_eq!(json_of(unknown).await, expected);
    let token = org.session().await;
    let method = org
        .request(Method::PUT, "/services/data/v67.0/limits", &token)
        .await;
    assert_eq!(method.status(), 405);
}

#[tokio::test]
async fn answers_are_pretty_and_compressed_on_request() {
    let org = Demo::start().await;
    let mut tls = org.connect(&[]).await;
    tls.write_all(
        b"GET /services/data HTTP/1.1\r\nHost: x\r\nX-PrettyPrint: 1\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
    )
    .await
    .unwrap();
    let mut bytes = Vec::new();
    tls.read_to_end(&mut bytes).await.unwrap();
    let head_end = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap() + 4;
    let head = std::str::from_utf8(&bytes[..head_end]).unwrap();
    assert!(head.contains("Content-Encoding: gzip\r\n"), "{head}");
    let text = io::read_to_string(flate2::read::GzDecoder::new(&bytes[head_end..])).unwrap();
    assert!(text.starts_with("[\n  {\n    \"label\""), "{text}");
}

#[tokio::test]
async fn a_long_result_comes_in_batches() {
    let org = Demo::start().await;
    let body = org.query("SELECT Id, Name FROM Invoice__c").await;
    assert_eq!(body["totalSize"], 5000);
    assert_eq!(body["done"], false);
    assert_eq!(body["records"].as_array().unwrap().len(), 2000);
    let next = body["nextRecordsUrl"].as_str().unwrap();
    assert!(
        next.starts_with("/services/data/v67.0/query/01g") && next.ends_with("-2000"),
        "{next}"
    );
    let body = json_of(org.get(next).await).await;
    assert_eq!(body["records"][0]["Name"], "INV-02001");
    let body = json_of(org.get(body["nextRecordsUrl"].as_str().unwrap()).await).await;
    assert_eq!(
        (&body["done"], body["records"].as_array().unwrap().len()),
        (&json!(true), 1000)
    );

    let answer = org
        .client
        .get(org.url(&format!("{QUERY}?q=SELECT+Id+FROM+Invoice__c")))
        .bearer_auth(org.session().await)
        .header("sforce-query-options", "batchSize=10")
        .send()
        .await
        .unwrap();
    assert_eq!(
        json_of(answer).await["records"].as_array().unwrap().len(),
        200
    );
    let lost = org.get("/services/data/v67.0/query/01gnone-2000").await;
    assert_eq!(json_of(lost).await[0]["errorCode"], "INVALID_QUERY_LOCATOR");
}

#[tokio::test]
async fn queries_select_order_and_bound() {
    let org = Demo::start().await;
    let counts = [
        ("SELECT COUNT() FROM Account", 20),
        ("select count() from contact where accountid = null", 5),
        (
            "SELECT COUNT() FROM Contact WHERE AccountId != null AND Phone = null",
            15,
        ),
        (
            "SELECT COUNT() FROM Opportunity WHERE StageName IN ('Closed Won','Closed Lost')",
            12,
        ),
        (
            "SELECT COUNT() FROM Opportunity WHERE StageName NOT IN ('Closed Won')",
            24,
        ),
        ("SELECT COUNT() FROM Opportunity WHERE IsClosed = true", 12),
        (
            "SELECT COUNT() FROM Opportunity WHERE NOT (IsClosed = true OR Amount > 3001)",
            2,
        ),
        (
            "SELECT COUNT() FROM Opportunity WHERE CloseDate < 2026-02-01",
            3,
        ),
        ("SELECT COUNT() FROM Account WHERE Name LIKE 'z_rich%'", 2),
        ("SELECT COUNT() FROM Account WHERE Name LIKE '%\\\\%'", 0),
        (
            "SELECT COUNT() FROM Contact WHERE LastName = 'O\\'Brien'",
            6,
        ),
        (
            "SELECT COUNT() FROM Contact WHERE Account.Owner.IsActive = true",
            45,
        ),
        (
            "SELECT COUNT() FROM Invoice__c WHERE Amount__c >= 500 AND Paid__c = false LIMIT 10",
            10,
        ),
    ];
    for (query, expected) in counts {
        let body = org.query(query).await;
        assert_eq!(body["totalSize"], expected, "{query}: {body}");
    }

    let body = org
        .query("SELECT Id, Account.Name, Contact.Name FROM Contact WHERE Account.Name != null ORDER BY Name DESC LIMIT 2 OFFSET 1")
        .await;
    let record = &body["records"][0];
    let names: Vec<_> = record.as_object().unwrap().keys().collect();
    assert_eq!(names, ["attributes", "Id", "Account", "Name"]);
    assert_eq!(record["attributes"]["type"], "Contact");
    assert_eq!(record["Account"]["attributes"]["type"], "Account");
    assert_eq!(body["totalSize"], 2);
    assert!(body["records"][0]["Name"].as_str() >= body["records"][1]["Name"].as_str());

    let body = org.query("SELECT COUNT(AnnualRevenue) FROM Account").await;
    assert_eq!(body["records"][0]["expr0"], 18);
    let body = org
        .query("SELECT Name, AnnualRevenue FROM Account ORDER BY AnnualRevenue DESC NULLS LAST")
        .await;
    assert_eq!(body["records"][0]["AnnualRevenue"], 5_000_000);
    assert_eq!(body["records"][19]["AnnualRevenue"], Value::Null);
}

#[tokio::test]
async fn a_wrong_query_is_explained() {
    let org = Demo::start().await;
    let deep = format!(
        "SELECT Id FROM Account WHERE {}Name = null",
        "(".repeat(100_000)
    );
    let cases = [
        ("", "MALFORMED_QUERY", "unexpected token: <EOF>"),
        (
            "SELECT Id FORM Account",
            "MALFORMED_QUERY",
            "\nSELECT Id FORM Account\n          ^\nERROR at Row:1:Column:11\nunexpected token: 'FORM'",
        ),
        (
            "SELECT Id, FROM Account",
            "MALFORMED_QUERY",
            "unexpected token: 'FROM'",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'x",
            "MALFORMED_QUERY",
            "expecting '''",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'x' AND Id = null OR Id = null",
            "MALFORMED_QUERY",
            "unexpected token: 'OR'",
        ),
        (
            "SELECT Nme FROM Account",
            "INVALID_FIELD",
            "\nSELECT Nme FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column 'Nme' on entity 'Account'.",
        ),
        (
            "SELECT Owner.X.Y FROM Account",
            "INVALID_FIELD",
            "Didn't understand relationship 'X'",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 5",
            "INVALID_FIELD",
            "must be of type string",
        ),
        (
            "SELECT Id FROM Acount",
            "INVALID_TYPE",
            "sObject type 'Acount' is not supported.",
        ),
        (
            "SELECT Id FROM Account LIMIT x",
            "MALFORMED_QUERY",
            "unexpected token: 'x'",
        ),
        (
            "SELECT Id FROM Account OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Maximum SOQL offset allowed is 2000",
        ),
        (
            "SELECT Id FROM Account WHERE Ä = 1",
            "MALFORMED_QUERY",
            "no viable alternative",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 1é",
            "MALFORMED_QUERY",
            "no viable alternative",
        ),
        (&deep, "MALFORMED_QUERY", "unexpected token: '('"),
    ];
    let token = org.session().await;
    for (query, code, message) in cases {
        // A target that long is too much for HTTP, but not for a composite request.
        let url = format!("{QUERY}?{}", encoded(query));
        let body = json!({"compositeRequest": [{"method": "GET", "url": url, "referenceId": "q"}]});
        let answer = org
            .post("/services/data/v67.0/composite", &token, &body)
            .await;
        let part = json_of(answer).await["compositeResponse"][0].take();
        assert_eq!(part["httpStatusCode"], 400, "{part}");
        assert_eq!(part["body"][0]["errorCode"], code, "{part}");
        assert!(
            part["body"][0]["message"]
                .as_str()
                .unwrap()
                .contains(message),
            "{part}"
        );
    }
}

#[tokio::test]
async fn records_are_made_read_changed_and_deleted() {
    let org = Demo::start().await;
    let token = org.session().await;
    let contacts = "/services/data/v67.0/sobjects/Contact";

    let made = org
        .post(
            contacts,
            &token,
            &json!({"LastName": "Backus", "FirstName": "John"}),
        )
        .await;
    assert_eq!(made.status(), 201);
    let location = made.headers()["location"].to_str().unwrap().to_owned();
    let body = json_of(made).await;
    assert_eq!(
        (&body["success"], &body["errors"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(
        location,
        format!("{contacts}/{}", body["id"].as_str().unwrap())
    );

    let read = json_of(org.get(&format!("{location}?fields=Name,Email")).await).await;
    assert_eq!(read["Name"], "John Backus");
    assert!(read.get("Phone").is_none());

    let changed = org
        .client
        .patch(org.url(&location))
        .bearer_auth(&token)
        .body(r#"{"Email":"j@example.com"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(changed.status(), 204);
    assert!(changed.headers().get("content-length").is_none());
    assert_eq!(
        json_of(org.get(&location).await).await["Email"],
        "j@example.com"
    );

    assert_eq!(
        org.request(Method::DELETE, &location, &token)
            .await
            .status(),
        204
    );
    assert_eq!(org.get(&location).await.status(), 404);

    let bad = json_of(org.post(contacts, &token, &json!({"FirstName": "x"})).await).await;
    let expected = json!([{"message": "Required fields are missing: [LastName]", "errorCode": "REQUIRED_FIELD_MISSING", "fields": ["LastName"]}]);
    assert_eq!(bad, expected);
    let bad = json_of(org.post(contacts, &token, &json!({"Nope": 1})).await).await;
    assert_eq!(
        bad[0]["message"],
        "No such column 'Nope' on sobject of type Contact"
    );
    let describe = json_of(org.get(&format!("{contacts}/describe")).await).await;
    assert_eq!(describe["fields"][6]["relationshipName"], "Account");
    let objects = json_of(org.get("/services/data/v67.0/sobjects").await).await;
    assert_eq!(objects["sobjects"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn a_composite_request_refers_back_and_rolls_back() {
    let org = Demo::start().await;
    let token = org.session().await;
    let body = json!({"allOrNone": true, "compositeRequest": [
        {"method": "POST", "url": "/services/data/v67.0/sobjects/Account", "referenceId": "a", "body": {"Name": "Acme"}},
        {"method": "POST", "url": "/services/data/v67.0/sobjects/Contact", "referenceId": "c", "body": {"LastName": "Coyote", "AccountId": "@{a.id}"}},
        {"method": "GET", "url": "/services/data/v67.0/sobjects/Contact/@{c.id}", "referenceId": "r"},
    ]});
    let answer = org
        .post("/services/data/v67.0/composite", &token, &body)
        .await;
    assert_eq!(answer.status(), 200);
    let parts = json_of(answer).await["compositeResponse"].take();
    assert_eq!(parts[0]["httpStatusCode"], 201);
    assert!(parts[0]["httpHeaders"]["Location"].is_string());
    assert_eq!(parts[2]["body"]["AccountId"], parts[0]["body"]["id"]);

    let mut failing = body.clone();
    failing["compositeRequest"][1]["body"] = json!({});
    let answer = org
        .post("/services/data/v67.0/composite", &token, &failing)
        .await;
    let parts = json_of(answer).await["compositeResponse"].take();
    assert_eq!(parts[0]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(parts[1]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(parts[2]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(
        org.query("SELECT COUNT() FROM Account").await["totalSize"],
        21
    );

    let records = json!({"allOrNone": false, "records": [
        {"attributes": {"type": "Account"}, "Name": "One"},
        {"attributes": {"type": "Account"}},
    ]});
    let answer = org
        .post("/services/data/v67.0/composite/sobjects", &token, &records)
        .await;
    let results = json_of(answer).await;
    assert_eq!(results[0]["success"], true);
    assert_eq!(
        results[1]["errors"][0]["statusCode"],
        "REQUIRED_FIELD_MISSING"
    );
}

#[tokio::test]
async fn what_arrives_is_seen_exactly() {
    let org = Demo::start().await;
    let token = org.session().await;
    let mut tls = org.connect(&[]).await;
    let head = format!(
        "POST /services/apexrest/echo?a=%2F&b=+ HTTP/1.1\r\nX-Second: 1\r\nhOST: any\r\nAuthorization: OAuth {token}\r\nx-second:  2 \r\nContent-Type: x/y\r\nContent-Length: 3\r\n\r\n"
    );
    for _ in 0..2 {
        tls.write_all(head.as_bytes()).await.unwrap();
        tls.write_all(b"abc").await.unwrap();
        let answer = read_until(&mut tls, b"\r\n\r\nabc").await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: x/y\r\n"),
            "{answer}"
        );
        assert!(answer.contains("Content-Length: 3\r\n"), "{answer}");
    }
    let seen = org.org.last_request();
    assert_eq!(seen.number, 2);
    assert_eq!(seen.target, "/services/apexrest/echo?a=%2F&b=+");
    assert_eq!(seen.head, head);
    assert_eq!(seen.lines()[1], ("hOST".to_owned(), "any".to_owned()));
    assert_eq!(seen.header("content-type"), "x/y");
    assert_eq!(
        (seen.length, &*seen.body, seen.complete),
        (3, &b"abc"[..], true)
    );
    assert_eq!(
        seen.sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert!(seen.authorized);
    assert_eq!(org.org.requests()[0].connection, seen.connection);
}

#[tokio::test]
async fn big_bodies_stream_both_ways() {
    let org = Demo::start().await;
    let token = org.session().await;
    for extra in ["", "&chunked=1"] {
        let path = format!("/services/apexrest/bytes?n=100000001{extra}");
        let mut answer = org.request(Method::GET, &path, &token).await;
        assert_eq!(
            answer.content_length(),
            extra.is_empty().then_some(100_000_001)
        );
        let mut digest = Digest::new();
        while let Some(chunk) = answer.chunk().await.unwrap() {
            digest.update(&chunk);
        }
        assert_eq!(digest.finish(), sha256(blocks(100_000_001)));
    }

    let body: Vec<u8> = blocks(10_000_000).flatten().collect();
    let sink = org
        .client
        .post(org.url(SINK))
        .bearer_auth(&token)
        .body(body);
    let told = json_of(sink.send().await.unwrap()).await;
    let seen = org.org.last_request();
    assert_eq!(told, json!({"length": 10_000_000, "sha256": seen.sha256}));
    assert_eq!(seen.body.len(), 64 * 1024);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_complete() {
    let org = Demo::start().await;
    let mut tls = org.connect(&[]).await;
    tls.write_all(
        b"POST /services/apexrest/sink HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
    )
    .await
    .unwrap();
    org.org
        .wait_until(|org| org.requests().iter().any(|seen| seen.length == 3))
        .await;
    drop(tls);
    org.org.wait_until(|org| org.counts().open == 0).await;
    let seen = org.org.last_request();
    assert!(!seen.complete && seen.sha256.len() == 64);
}

#[tokio::test]
async fn requests_are_held_until_released() {
    let org = Arc::new(Demo::start().await);
    let token = org.session().await;
    let hold = org.org.hold("/services/data/v67.0/limits");
    let requests: Vec<_> = (0..3)
        .map(|_| {
            let (org, token) = (org.clone(), token.clone());
            task::spawn(async move {
                org.request(Method::GET, "/services/data/v67.0/limits", &token)
                    .await
            })
        })
        .collect();
    org.org.wait_until(|_| hold.waiting() == 3).await;
    assert_eq!(org.get("/services/data").await.status(), 200, "others pass");
    org.org.end_sessions();
    hold.release();
    for request in requests {
        assert_eq!(
            request.await.unwrap().status(),
            401,
            "judged after the hold"
        );
    }
}

#[tokio::test]
async fn a_body_is_held_in_the_middle() {
    let org = Demo::start().await;
    let token = org.session().await;
    let hold = org.org.hold_body(BYTES, 70_000);
    let mut answer = org
        .request(Method::GET, "/services/apexrest/bytes?n=100000", &token)
        .await;
    let mut length = 0;
    while length < 70_000 {
        length += answer.chunk().await.unwrap().unwrap().len();
    }
    assert_eq!(length, 70_000);
    org.org.wait_until(|_| hold.waiting() == 1).await;
    hold.release();
    assert_eq!(answer.bytes().await.unwrap().len(), 30_000);
}

#[tokio::test]
async fn raw_faults_say_exactly_what_they_say() {
    let org = Demo::start().await;
    let request = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
    let cases = [
        (
            Fault::cut_head(),
            "HTTP/1.1 200 OK\r\nContent-Type: applica",
            Err(()),
        ),
        (Fault::raw("nonsense", Then::Close), "nonsense", Ok(())),
        (Fault::no_answer(Then::Close), "", Ok(())),
        (Fault::no_answer(Then::Cut), "", Err(())),
        (Fault::no_answer(Then::Reset).early(), "", Err(())),
    ];
    for (fault, expected, end) in cases {
        org.org.faults().next(1, "/x", fault);
        let mut tls = org.connect(&[]).await;
        tls.write_all(request).await.unwrap();
        let mut said = Vec::new();
        let ended = tls.read_to_end(&mut said).await;
        assert_eq!(String::from_utf8_lossy(&said), expected);
        assert_eq!(ended.map(|_| ()).map_err(|_| ()), end, "{expected}");
    }

    org.org.faults().next(1, "/x", Fault::extra_bytes());
    let mut tls = org.connect(&[]).await;
    tls.write_all(request).await.unwrap();
    let said = read_until(&mut tls, b"evil").await;
    assert!(said.starts_with(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nokHTTP/1.1"
    ));
    tls.write_all(request).await.unwrap();
    let said = read_until(&mut tls, b"\r\n\r\n").await;
    assert!(
        said.starts_with("HTTP/1.1 404"),
        "the connection goes on: {said}"
    );
}

#[tokio::test]
async fn bodies_are_cut_and_connections_end_unannounced() {
    let org = Demo::start().await;
    let token = org.session().await;
    org.org
        .faults()
        .next(3, "/services/apexrest", Fault::CutBody(70_000));
    for extra in ["", "&chunked=1"] {
        let path = format!("/services/apexrest/bytes?n=100000{extra}");
        let mut answer = org.request(Method::GET, &path, &token).await;
        let mut length = 0;
        let error = loop {
            match answer.chunk().await {
                Ok(chunk) => length += chunk.expect("an error before the end").len(),
                Err(error) => break error,
            }
        };
        assert_eq!(length, 70_000, "{extra} {error}");
    }
    let mut answer = org.http2(&token, "/services/apexrest/bytes?n=100000").await;
    let mut length = 0;
    let error = loop {
        match in_time(answer.frame())
            .await
            .expect("an error before the end")
        {
            Ok(frame) => length += frame.into_data().unwrap().len(),
            Err(error) => break error,
        }
    };
    assert_eq!(length, 70_000, "{error}");

    for then in [Then::Close, Then::Cut, Then::Reset] {
        org.org
            .faults()
            .next(1, "/services/data", Fault::EndAfter(then));
        let mut tls = org.connect(&[]).await;
        tls.write_all(b"GET /services/data HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut said = Vec::new();
        let ended = tls.read_to_end(&mut said).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(
            said.starts_with("HTTP/1.1 200") && !said.contains("Connection: close"),
            "{said}"
        );
        assert!(said.ends_with("\"67.0\"}]"), "{then:?} {said}");
        assert_eq!(ended.is_ok(), then == Then::Close);
    }
}

#[tokio::test]
async fn an_early_answer_does_not_wait_for_the_body() {
    let org = Demo::start().await;
    org.org
        .faults()
        .next(1, "/services/data", Fault::session_expired().early());
    let mut tls = org.connect(&[]).await;
    tls.write_all(b"POST /services/data/v67.0/composite HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
        .await
        .unwrap();
    let said = read_until(&mut tls, b"INVALID_SESSION_ID").await;
    assert!(said.starts_with("HTTP/1.1 401"), "{said}");
}

#[tokio::test]
async fn http2_is_chosen_by_alpn() {
    let org = Demo::start().await;
    let token = org.session().await;
    let answer = org.http2(&token, "/services/data/v67.0/limits").await;
    assert_eq!(answer.status(), 200);
    let seen = org.org.last_request();
    assert_eq!(seen.version, http::Version::HTTP_2);
    assert_eq!(seen.target, "/services/data/v67.0/limits");
    assert!(seen.authorized && seen.head.is_empty());
}

#[tokio::test]
async fn connections_are_closed_and_the_org_stopped() {
    let org = Demo::start().await;
    assert_eq!(org.get("/services/data").await.status(), 200);
    org.org.disconnect();
    org.org.wait_until(|org| org.counts().open == 0).await;
    let before = org.org.connections();
    assert_eq!(org.get("/services/data").await.status(), 200);
    assert_eq!(org.org.connections(), before + 1);

    let url = org.url("/services/data");
    let Demo { org, client } = org;
    org.shutdown().await;
    assert!(client.get(url).send().await.unwrap_err().is_connect());
}

async fn read_until(tls: &mut TlsStream<TcpStream>, end: &[u8]) -> String {
    let mut said = Vec::new();
    while memchr::memmem::find(&said, end).is_none() {
        let read = in_time(tls.read_buf(&mut said)).await.unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&said));
    }
    String::from_utf8_lossy(&said).into_owned()
}
