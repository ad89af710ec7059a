//! The demo org's SOAP APIs, over real sockets.

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use http::StatusCode;
use orgproxy::demo::{Fault, Org};
use reqwest::{Client, Response};
use test_case::test_case;

use crate::support::{
    Demo,
    namespace::{ENTERPRISE, PARTNER, TOOLING},
};

const METADATA: &str = "http://soap.sforce.com/2006/04/metadata";
const APEX: &str = "http://soap.sforce.com/2006/08/apex";
const GREETER: &str = "http://soap.sforce.com/schemas/class/Greeter";

#[test_case("u/64.0", PARTNER, "urn:fault.partner.soap.sforce.com", true)]
#[test_case(
    "c/31.0/00Dxx0000001gPL",
    ENTERPRISE,
    "urn:fault.enterprise.soap.sforce.com",
    true
)]
#[test_case("T/67.0", TOOLING, "urn:fault.tooling.soap.sforce.com", true)]
#[test_case("m/64.0", METADATA, METADATA, false)]
#[test_case("s/64.0", APEX, APEX, false)]
#[test_case("class/Greeter", GREETER, GREETER, false)]
#[tokio::test]
async fn only_the_session_in_the_body_counts(path: &str, ns: &str, faults: &str, detailed: bool) {
    let soap = Soap::start(path, ns).await;
    let body = "<getUserInfo xmlns=\"NS\"/>".replace("NS", ns);
    let wrong = session_header("urn:other", &soap.session);
    for header in [
        String::new(),
        wrong,
        session_header(ns, ""),
        session_header(ns, "00Dxx0000001gPL!dead"),
        session_header(ns, "eyJhbGciOiJSUzI1NiJ9.e30.x"),
    ] {
        let answer = soap.send(&envelope(&header, &body)).await;
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.headers()["content-type"], "text/xml; charset=utf-8");
        let why = "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, \
                   missing session hash: yNHBc2RmZ0FhYkNkRWZHaEk0C0A=\nThis error usually occurs \
                   after a session expires or a user logs out. ";
        let detail = if detailed {
            format!(
                r#"<detail><sf:UnexpectedErrorFault xsi:type="sf:UnexpectedErrorFault"><sf:exceptionCode>INVALID_SESSION_ID</sf:exceptionCode><sf:exceptionMessage>{why}</sf:exceptionMessage></sf:UnexpectedErrorFault></detail>"#
            )
        } else {
            String::new()
        };
        let expected = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="{faults}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: {why}</faultstring>{detail}</soapenv:Fault></soapenv:Body></soapenv:Envelope>"#
        );
        assert_eq!(answer.text().await.unwrap(), expected, "{header}");
        assert!(!soap.org().last_request().authorized);
    }
    let seen = soap.org().last_request();
    assert_eq!(
        seen.soap_session().as_deref(),
        Some("eyJhbGciOiJSUzI1NiJ9.e30.x")
    );
    assert!(seen.header("authorization").contains(&soap.session));

    soap.call(&body).await;
    let seen = soap.org().last_request();
    assert_eq!(seen.soap_session().as_deref(), Some(&*soap.session));
}

#[tokio::test]
async fn a_canned_expiry_has_the_orgs_own_bytes() {
    let soap = Soap::start("u/64.0", PARTNER).await;
    let body = "<getUserInfo xmlns=\"urn:partner.soap.sforce.com\"/>";
    let real = soap.send(&envelope("", body)).await;
    let real = real.text().await.unwrap();
    let faults = soap.org().faults();
    faults.next(1, "/services/Soap", Fault::soap_session_expired());
    assert_eq!(soap.fault("<getUserInfo/>").await, real);
    let seen = soap.org().last_request();
    assert_eq!(seen.soap_session().as_deref(), Some(&*soap.session));
}

#[tokio::test]
async fn the_user_is_described_in_the_order_of_the_wsdl() {
    let soap = Soap::start("u/46.0", PARTNER).await;
    let answer = soap.call("<getUserInfo/>").await;
    let expected = r#"<soapenv:Body><getUserInfoResponse><result><accessibilityMode>false</accessibilityMode><chatterExternal>false</chatterExternal><currencySymbol>$</currencySymbol><orgAttachmentFileSizeLimit>5242880</orgAttachmentFileSizeLimit><orgDefaultCurrencyIsoCode>USD</orgDefaultCurrencyIsoCode><orgDefaultCurrencyLocale>en_US</orgDefaultCurrencyLocale><orgDisallowHtmlAttachments>false</orgDisallowHtmlAttachments><orgHasPersonAccounts>false</orgHasPersonAccounts><organizationId>00Dxx0000001gPLEAY</organizationId><organizationMultiCurrency>false</organizationMultiCurrency><organizationName>Demo Org</organizationName><profileId>00exx0000000001AAA</profileId><roleId xsi:nil="true"/><sessionSecondsValid>7200</sessionSecondsValid><userDefaultCurrencyIsoCode xsi:nil="true"/><userEmail>integration@demo.example</userEmail><userFullName>Integration User</userFullName><userId>005xx000001SwiUAAS</userId><userLanguage>en_US</userLanguage><userLocale>en_US</userLocale><userName>integration@demo.example</userName><userTimeZone>America/Los_Angeles</userTimeZone><userType>Standard</userType><userUiSkin>Theme3</userUiSkin></result></getUserInfoResponse></soapenv:Body></soapenv:Envelope>"#;
    assert!(answer.ends_with(expected), "{answer}");
    let soap = Soap::start("u/38.0", PARTNER).await;
    let answer = soap.call("<getUserInfo/>").await;
    assert!(!answer.contains("chatterExternal"), "{answer}");
    let answer = soap.call("<getServerTimestamp/>").await;
    assert!(answer.contains("Z</timestamp>"), "{answer}");
}

#[tokio::test]
async fn login_is_off_and_old_versions_are_gone() {
    let login =
        |ns| format!("<login xmlns=\"{ns}\"><username>a</username><password>b</password></login>");
    for (path, ns, expected) in [
        (
            "u/64.0",
            PARTNER,
            "INVALID_OPERATION: SOAP API login() is disabled by default in this org. Contact the org administrator to enable SOAP API login().",
        ),
        (
            "c/65.0",
            ENTERPRISE,
            "INVALID_OPERATION: The SOAP Login operation is not available in the API version specified (65.0). Refer to the documentation for supported versions.",
        ),
        (
            "u/30.0",
            PARTNER,
            "UNSUPPORTED_API_VERSION: Invalid Api version specified on URL",
        ),
        (
            "u/68.0",
            PARTNER,
            "UNSUPPORTED_API_VERSION: Invalid Api version specified on URL",
        ),
    ] {
        let soap = Soap::start(path, ns).await;
        let fault = soap.fault(&login(ns)).await;
        let expected = format!("<faultstring>{expected}</faultstring>");
        assert!(fault.contains(&expected), "{fault}");
    }
}

#[tokio::test]
async fn a_query_comes_in_batches() {
    let soap = Soap::start("u/64.0", PARTNER).await;
    let options = "<QueryOptions xmlns=\"urn:partner.soap.sforce.com\"><batchSize>2</batchSize></QueryOptions>";
    let query = "<queryString>SELECT Id, Name, Account.Name, CreatedDate FROM Contact WHERE Name LIKE 'A%' ORDER BY Name LIMIT 3</queryString>";
    let first = soap
        .call_with(options, &format!("<query>{query}</query>"))
        .await;
    assert!(first.contains("<result xsi:type=\"QueryResult\"><done>false</done>"));
    assert!(first.contains("<size>3</size>"), "{first}");
    assert_eq!(
        first
            .matches("<records xsi:type=\"sf:sObject\"><sf:type>Contact</sf:type><sf:Id>003")
            .count(),
        2,
        "{first}"
    );
    assert!(first.contains("<sf:Account xsi:type=\"sf:sObject\"><sf:type>Account</sf:type><sf:Id xsi:nil=\"true\"/><sf:Name>"), "{first}");
    assert!(first.contains("<sf:CreatedDate>2026-01-15T09:30:00.000Z</sf:CreatedDate>"));
    assert!(
        first.contains(
            "<limitInfo><current>18</current><limit>15000</limit><type>API REQUESTS</type>"
        ),
        "{first}"
    );

    let locator = between(&first, "<queryLocator>", "</queryLocator>");
    let more = format!("<queryMore><queryLocator>{locator}</queryLocator></queryMore>");
    let second = soap.call(&more).await;
    assert!(
        second.contains("<done>true</done><queryLocator xsi:nil=\"true\"/>"),
        "{second}"
    );
    assert_eq!(second.matches("<records ").count(), 1);

    let all = soap
        .call("<queryAll><queryString>SELECT Id FROM Invoice__c</queryString></queryAll>")
        .await;
    assert_eq!(all.matches("<records ").count(), 2000);
    let count = soap
        .call("<query><queryString>SELECT COUNT() FROM Account</queryString></query>")
        .await;
    assert!(
        count.contains("<done>true</done><queryLocator xsi:nil=\"true\"/><size>20</size>"),
        "{count}"
    );
    let lost = soap
        .fault("<queryMore><queryLocator>01gx-1</queryLocator></queryMore>")
        .await;
    assert!(lost.contains("<sf:InvalidQueryLocatorFault "), "{lost}");
}

#[tokio::test]
async fn enterprise_and_tooling_records_stand_in_the_order_of_the_wsdl() {
    for (path, ns) in [("c/64.0", ENTERPRISE), ("T/64.0", TOOLING)] {
        let soap = Soap::start(path, ns).await;
        let answer = soap
            .call("<query><queryString>SELECT Name, Id, Industry FROM Account LIMIT 1</queryString></query>")
            .await;
        assert!(
            answer.contains("<records xsi:type=\"sf:Account\"><sf:Id>001"),
            "{answer}"
        );
        assert!(
            answer.contains("</sf:Id><sf:Industry>Manufacturing</sf:Industry><sf:Name>Zürich"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn mistakes_in_a_query_are_faults_of_their_kind() {
    let soap = Soap::start("u/64.0", PARTNER).await;
    for (query, kind, code, place) in [
        (
            "SELECT Id FORM Account",
            "MalformedQueryFault",
            "MALFORMED_QUERY",
            (1, 11),
        ),
        (
            "SELECT Id FROM Acount",
            "InvalidSObjectFault",
            "INVALID_TYPE",
            (1, 16),
        ),
        (
            "SELECT Nme FROM Account",
            "InvalidFieldFault",
            "INVALID_FIELD",
            (1, 8),
        ),
    ] {
        let fault = soap
            .fault(&format!(
                "<query><queryString>{query}</queryString></query>"
            ))
            .await;
        assert!(
            fault.contains(&format!(
                "<faultcode>sf:{code}</faultcode><faultstring>{code}: \n{query}\n"
            )),
            "{fault}"
        );
        assert!(fault.contains(&format!("<detail><sf:{kind} xsi:type=\"sf:{kind}\"><sf:exceptionCode>{code}</sf:exceptionCode>")), "{fault}");
        let (row, column) = place;
        assert!(
            fault.contains(&format!(
                "<sf:row>{row}</sf:row><sf:column>{column}</sf:column></sf:{kind}>"
            )),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn records_are_made_changed_and_deleted() {
    let soap = Soap::start("u/64.0", PARTNER).await;
    let made = soap.call(
        "<create><sObjects><type>Opportunity</type><Name>A &amp; B</Name><StageName>Prospecting</StageName><Amount>12.5</Amount><CloseDate>2026-03-01</CloseDate></sObjects>\
         <sObjects><type>Contact</type><FirstName>x</FirstName></sObjects>\
         <sObjects><type>Opportunity</type><Name>x</Name><Amount>many</Amount></sObjects></create>",
    ).await;
    let id = between(&made, "<id>", "</id>");
    assert!(
        made.contains(&format!(
            "<createResponse><result><id>{id}</id><success>true</success></result>"
        )),
        "{made}"
    );
    assert!(made.contains("<result><errors><fields>LastName</fields><message>Required fields are missing: [LastName]</message><statusCode>REQUIRED_FIELD_MISSING</statusCode></errors><id xsi:nil=\"true\"/><success>false</success></result>"), "{made}");
    assert!(
        made.contains("<statusCode>INVALID_TYPE_ON_FIELD_IN_RECORD</statusCode>"),
        "{made}"
    );

    let update = format!(
        "<update><sObjects><type>Opportunity</type><fieldsToNull>Amount</fieldsToNull><Id>{id}</Id><StageName>Closed Won</StageName></sObjects><sObjects><type>Opportunity</type><Name>x</Name></sObjects></update>"
    );
    let changed = soap.call(&update).await;
    assert!(
        changed.contains("<success>true</success>")
            && changed.contains("<statusCode>MISSING_ARGUMENT</statusCode>"),
        "{changed}"
    );
    let retrieve = format!(
        "<retrieve><fieldList>Name, StageName,Amount</fieldList><sObjectType>Opportunity</sObjectType><ids>{id}</ids><ids>006xx0000000000AAA</ids></retrieve>"
    );
    let read = soap.call(&retrieve).await;
    assert!(read.contains(&format!("<retrieveResponse><result xsi:type=\"sf:sObject\"><sf:type>Opportunity</sf:type><sf:Id>{id}</sf:Id><sf:Name>A &amp; B</sf:Name><sf:StageName>Closed Won</sf:StageName><sf:Amount xsi:nil=\"true\"/></result><result xsi:nil=\"true\"/></retrieveResponse>")), "{read}");

    let upsert = "<upsert><externalIDFieldName>Name</externalIDFieldName><sObjects><type>Account</type><Name>Upserted</Name></sObjects></upsert>";
    for created in ["true", "false"] {
        let answer = soap.call(upsert).await;
        assert!(
            answer.contains(&format!("<result><created>{created}</created><id>001")),
            "{answer}"
        );
    }
    let delete = format!("<delete><ids>{id}</ids><ids>{id}</ids></delete>");
    let deleted = soap.call(&delete).await;
    assert!(deleted.contains(&format!("<result><id>{id}</id><success>true</success></result><result><errors><message>entity is deleted</message><statusCode>ENTITY_IS_DELETED</statusCode></errors>")), "{deleted}");

    let unknown = soap
        .fault("<create><sObjects><type>Acount</type></sObjects></create>")
        .await;
    assert!(
        unknown.contains("<sf:InvalidSObjectFault ") && unknown.contains("<sf:row>-1</sf:row>"),
        "{unknown}"
    );
    let unknown = soap
        .fault("<create><sObjects><type>Account</type><Nope>1</Nope></sObjects></create>")
        .await;
    assert!(
        unknown.contains("No such column 'Nope' on entity 'Account'."),
        "{unknown}"
    );

    let all_or_none = "<AllOrNoneHeader xmlns=\"urn:partner.soap.sforce.com\"><allOrNone>true</allOrNone></AllOrNoneHeader>";
    let rolled_back = soap.call_with(all_or_none, "<create><sObjects><type>Account</type><Name>x</Name></sObjects><sObjects><type>Account</type></sObjects></create>").await;
    assert!(
        rolled_back.contains("ALL_OR_NONE_OPERATION_ROLLED_BACK"),
        "{rolled_back}"
    );
    let count = soap
        .call("<query><queryString>SELECT COUNT() FROM Account</queryString></query>")
        .await;
    assert!(count.contains("<size>21</size>"), "{count}");
}

#[test_case("u", PARTNER; "partner")]
#[test_case("c", ENTERPRISE; "enterprise")]
#[test_case("T", TOOLING; "tooling")]
#[test_case("m", METADATA; "metadata")]
#[tokio::test]
async fn a_version_may_begin_with_a_v(api: &str, namespace: &str) {
    for version in ["62.0", "v62.0", "V62.0", "v62.0/00Dxx0000001gPL"] {
        let soap = Soap::start(&format!("{api}/{version}"), namespace).await;
        let operation = match api {
            "m" => "<describeMetadata/>",
            _ => "<getUserInfo/>",
        };
        let answer = soap.call(operation).await;
        assert!(answer.contains("Response><result>"), "{version} {answer}");
    }
    for version in ["v9.0", "w62.0", "vv62.0", "v"] {
        let soap = Soap::start(&format!("{api}/{version}"), namespace).await;
        let fault = soap.fault("<getUserInfo/>").await;
        assert!(
            fault.contains("UNSUPPORTED_API_VERSION"),
            "{version} {fault}"
        );
    }
}

#[tokio::test]
async fn records_are_found_by_their_words_in_soap_too() {
    let soap = Soap::start("u/64.0", PARTNER).await;
    let search = |text: &str| format!("<search><searchString>{text}</searchString></search>");
    let answer = soap
        .call(&search(
            "FIND {Lovelace} RETURNING Contact(Id, Name WHERE FirstName = 'Ada')",
        ))
        .await;
    assert!(
        answer
            .contains("<searchRecords><record xsi:type=\"sf:sObject\"><sf:type>Contact</sf:type>"),
        "{answer}"
    );
    assert!(
        answer.contains("<sf:Name>Ada Lovelace</sf:Name>"),
        "{answer}"
    );
    let fault = soap.fault(&search("FIND Lovelace")).await;
    assert!(fault.contains("sf:MalformedSearchFault"), "{fault}");
}

#[test_case("ids"; "as the WSDL has it")]
#[test_case("id"; "as older clients send it")]
#[tokio::test]
async fn records_are_deleted_by_soap(name: &str) {
    let soap = Soap::start("u/64.0", PARTNER).await;
    let id = "003xx0000000001AAA";
    let delete = format!("<delete><{name}>{id}</{name}><{name}>bad</{name}></delete>");
    let answer = soap.call(&delete).await;
    assert!(
        answer.contains(&format!(
            "<result><id>{id}</id><success>true</success></result>"
        )),
        "{answer}"
    );
    assert!(
        answer.contains("<statusCode>MALFORMED_ID</statusCode>"),
        "{answer}"
    );
    let left = soap
        .call(&format!(
            "<query><queryString>SELECT Id FROM Contact WHERE Id = '{id}'</queryString></query>"
        ))
        .await;
    assert!(left.contains("<size>0</size>"), "{left}");
}

#[tokio::test]
async fn an_enterprise_record_says_its_type_by_attribute() {
    let soap = Soap::start("c/64.0", ENTERPRISE).await;
    let made = soap.call("<create><sObjects xsi:type=\"e:Account\" xmlns:e=\"urn:sobject.enterprise.soap.sforce.com\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Name>x</e:Name><e:Website xsi:nil=\"true\"/></sObjects></create>").await;
    assert!(made.contains("<result><id>001"), "{made}");
}

#[tokio::test]
async fn objects_are_described() {
    let soap = Soap::start("u/64.0", PARTNER).await;
    let global = soap.call("<describeGlobal/>").await;
    assert_eq!(global.matches("<sobjects>").count(), 6);
    let one = soap
        .call("<describeSObject><sObjectType>contact</sObjectType></describeSObject>")
        .await;
    assert!(
        one.contains(
            "<referenceTo>Account</referenceTo><relationshipName>Account</relationshipName>"
        ),
        "{one}"
    );
    let two = soap.call("<describeSObjects><sObjectType>Account</sObjectType><sObjectType>User</sObjectType></describeSObjects>").await;
    assert_eq!(two.matches("<result>").count(), 2);
    let none = soap
        .fault("<describeSObject><sObjectType>Nope</sObjectType></describeSObject>")
        .await;
    assert!(
        none.contains("sObject type 'Nope' is not supported."),
        "{none}"
    );
}

#[tokio::test]
async fn logout_ends_the_session_for_everybody() {
    let soap = Soap::start("u/64.0", PARTNER).await;
    assert!(soap.call("<logout/>").await.contains("<logoutResponse/>"));
    let fault = soap.fault("<getUserInfo/>").await;
    assert!(fault.contains("sf:INVALID_SESSION_ID"), "{fault}");
    let limits = soap.demo.org.instance_url() + "/services/data/v67.0/limits";
    let rest = soap.demo.client.get(limits).bearer_auth(&soap.session);
    assert_eq!(rest.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn metadata_is_described_listed_read_and_moved() {
    let soap = Soap::start("m/64.0", METADATA).await;
    let answer = soap
        .call("<describeMetadata><asOfVersion>64.0</asOfVersion></describeMetadata>")
        .await;
    assert!(
        answer.contains("<xmlName>CustomObject</xmlName>") && !answer.contains("LimitInfoHeader"),
        "{answer}"
    );
    let answer = soap.call("<listMetadata><queries><type>CustomObject</type></queries><asOfVersion>64.0</asOfVersion></listMetadata>").await;
    assert!(
        answer.contains(
            "<fileName>objects/Invoice__c.object</fileName><fullName>Invoice__c</fullName>"
        ),
        "{answer}"
    );
    let answer = soap.call("<readMetadata><type>CustomObject</type><fullNames>Invoice__c</fullNames><fullNames>No</fullNames></readMetadata>").await;
    assert!(answer.contains("<records xsi:type=\"CustomObject\"><fullName>Invoice__c</fullName><deploymentStatus>Deployed</deploymentStatus>"), "{answer}");
    let fault = soap
        .fault("<listMetadata><queries><type>Nope</type></queries></listMetadata>")
        .await;
    assert!(
        fault.contains("<faultcode>sf:INVALID_TYPE</faultcode>") && !fault.contains("<detail>"),
        "{fault}"
    );

    // A folder is of a type of its own, and has to be named to see what is in it.
    for (kind, full_name, path) in [
        ("Report", "Billing/Unpaid_Invoices", "reports"),
        ("Dashboard", "Billing/Cash_Flow", "dashboards"),
        ("EmailTemplate", "Billing/Reminder", "email"),
    ] {
        let folders = kind.replace("Template", "") + "Folder";
        let list = |query: &str| {
            let query = format!("<listMetadata><queries>{query}</queries></listMetadata>");
            let soap = &soap;
            async move { soap.call(&query).await }
        };
        let answer = list(&format!("<type>{folders}</type>")).await;
        assert!(
            answer.contains(&format!(
                "<fileName>{path}/Billing</fileName><fullName>Billing</fullName>"
            )),
            "{answer}"
        );
        let answer = list(&format!("<type>{kind}</type><folder>Billing</folder>")).await;
        let expected = format!("<fullName>{full_name}</fullName>");
        assert!(answer.contains(&expected), "{answer}");
        let answer = list(&format!("<type>{kind}</type>")).await;
        assert!(answer.contains("<listMetadataResponse/>"), "{answer}");
    }

    for (start, check, expected) in [
        ("retrieve", "checkRetrieveStatus", "<zipFile>UEsDB"),
        (
            "deploy",
            "checkDeployStatus",
            "<status>Succeeded</status><success>true</success>",
        ),
        ("deploy", "checkStatus", "<state>Completed</state>"),
    ] {
        let started = soap.call(&format!("<{start}/>")).await;
        let id = between(&started, "<id>", "</id>");
        let ended = soap
            .call(&format!(
                "<{check}><asyncProcessId>{id}</asyncProcessId></{check}>"
            ))
            .await;
        assert!(
            ended.contains("<done>true</done>") && ended.contains(expected),
            "{ended}"
        );
        assert!(ended.contains(&format!("<id>{id}</id>")), "{ended}");
    }
}

#[tokio::test]
async fn apex_runs_and_classes_echo() {
    let soap = Soap::start("s/64.0", APEX).await;
    let answer = soap
        .call("<executeAnonymous><String>System.debug(1);</String></executeAnonymous>")
        .await;
    assert!(
        answer.contains("<compiled>true</compiled>") && answer.contains("<success>true</success>"),
        "{answer}"
    );
    assert!(!answer.contains("DebuggingInfo"), "{answer}");
    let debugging = format!(
        "<DebuggingHeader xmlns=\"{APEX}\"><debugLevel>Debugonly</debugLevel></DebuggingHeader>"
    );
    let code = "<executeAnonymous><apexcode>Integer i = 1;\nSystem.debug('A &lt; B');</apexcode></executeAnonymous>";
    let answer = soap.call_with(&debugging, code).await;
    let log = between(
        &answer,
        "<soapenv:Header><DebuggingInfo><debugLog>",
        "</debugLog></DebuggingInfo></soapenv:Header>",
    );
    assert!(log.starts_with("64.0 APEX_CODE,DEBUG"), "{log}");
    assert!(log.contains("|USER_DEBUG|[2]|DEBUG|A &lt; B\n"), "{log}");

    let soap = Soap::start("class/Greeter", GREETER).await;
    let answer = soap
        .call("<greet><name>A &lt; B</name><times>2</times></greet>")
        .await;
    assert!(
        answer.contains("<greetResponse><result>A &lt; B 2</result></greetResponse>"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_the_stack_does_not_understand_is_the_clients_fault() {
    let soap = Soap::start("u/64.0", PARTNER).await;
    let fault = soap.fault("<dance/>").await;
    assert_eq!(
        fault,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body><soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>No operation available for request {urn:partner.soap.sforce.com}dance, please check the WSDL for the service.</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    );
    for body in ["", "no XML", "<!DOCTYPE x><x/>", "<a:b/>"] {
        let answer = soap.send(body).await;
        assert_eq!(answer.status(), 500);
        let fault = answer.text().await.unwrap();
        assert!(
            fault.contains("<faultcode>soapenv:Client</faultcode>"),
            "{fault}"
        );
    }
    let answer = soap.demo.client.get(&soap.url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers()["allow"], "POST");
}

#[tokio::test]
async fn bodies_are_compressed_both_ways() {
    let soap = Soap::start("//u/64.0/", PARTNER).await;
    let header = session_header(PARTNER, &soap.session);
    let long = format!("{header}<!--{}-->", "x".repeat(200_000));
    let plain = envelope(
        &long,
        "<getUserInfo xmlns=\"urn:partner.soap.sforce.com\"/>",
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(plain.as_bytes()).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(plain.as_bytes()).unwrap();
    for (encoding, body) in [
        ("gzip", gzip.finish().unwrap()),
        ("deflate", zlib.finish().unwrap()),
    ] {
        let length = body.len();
        let request = soap
            .demo
            .client
            .post(&soap.url)
            .header("content-encoding", encoding);
        let request = request.header("accept-encoding", "gzip").body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        let seen = soap.org().last_request();
        assert_eq!(seen.body.len(), length, "all of it is kept");
        assert_eq!(seen.text(), plain);
        assert_eq!(seen.soap_session().as_deref(), Some(&*soap.session));
        assert!(seen.authorized);
    }
    let request = soap
        .demo
        .client
        .post(&soap.url)
        .header("content-encoding", "br");
    assert_eq!(request.body("x").send().await.unwrap().status(), 500);
}

#[tokio::test]
async fn a_wsdl_is_a_page_of_the_user_interface() {
    let soap = Soap::start("u/64.0", PARTNER).await;
    let origin = soap.demo.org.instance_url();
    for (path, address) in [
        ("/soap/wsdl.jsp", "/services/Soap/u/67.0"),
        (
            "/services/wsdl/class/Greeter",
            "/services/Soap/class/Greeter",
        ),
    ] {
        let request = || soap.demo.client.get(origin.clone() + path);
        let cookie = format!("a=b; sid={}", soap.session);
        let page = request().header("cookie", cookie).send().await.unwrap();
        let page = page.text().await.unwrap();
        let expected = format!("<soap:address location=\"{origin}{address}\"/>");
        assert!(page.contains(&expected), "{page}");

        let page = request().bearer_auth(&soap.session).send().await.unwrap();
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()["content-type"], "text/html; charset=UTF-8");
        assert!(!page.text().await.unwrap().contains("soap:address"));
    }
}

/// A client of one of the SOAP APIs.
struct Soap {
    demo: Demo,
    url: String,
    namespace: String,
    session: String,
}

impl Soap {
    async fn start(path: &str, namespace: &str) -> Self {
        let demo = Demo::start().await;
        Self {
            url: format!("{}/services/Soap/{path}", demo.org.instance_url()),
            namespace: namespace.to_owned(),
            session: demo.session().await,
            demo,
        }
    }

    fn org(&self) -> &Org {
        &self.demo.org
    }

    /// Calls `operation`.
    async fn call(&self, operation: &str) -> String {
        self.call_with("", operation).await
    }

    async fn call_with(&self, header: &str, operation: &str) -> String {
        let answer = self.send(&self.envelope(header, operation)).await;
        let status = answer.status();
        let answer = answer.text().await.unwrap();
        // A family without users answers nothing to the question who they are.
        let is_unknown = answer.contains("No operation available for request");
        assert!(status == 200 || is_unknown, "{answer}");
        assert!(self.org().last_request().authorized);
        answer
    }

    /// The fault that `operation` brings.
    async fn fault(&self, operation: &str) -> String {
        let answer = self.send(&self.envelope("", operation)).await;
        assert_eq!(answer.status(), 500);
        answer.text().await.unwrap()
    }

    fn envelope(&self, header: &str, operation: &str) -> String {
        let namespace = &self.namespace;
        let header = format!("{}{header}", session_header(namespace, &self.session));
        let end = operation.find(['>', '/', ' ']).unwrap();
        let (name, rest) = operation.split_at(end);
        let operation = if rest.starts_with(" xmlns=") {
            operation.to_owned()
        } else {
            format!("{name} xmlns=\"{namespace}\"{rest}")
        };
        envelope(&header, &operation)
    }

    /// Sends it with a good `Authorization`, which must not matter.
    async fn send(&self, envelope: &str) -> Response {
        let client: &Client = &self.demo.client;
        let request = client.post(&self.url).bearer_auth(&self.session);
        let request = request.header("content-type", "text/xml; charset=UTF-8");
        let request = request.header("soapaction", "\"\"");
        request.body(envelope.to_owned()).send().await.unwrap()
    }
}

fn envelope(header: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><se:Envelope xmlns:se=\"http://schemas.xmlsoap.org/soap/envelope/\"><se:Header>{header}</se:Header><se:Body>{body}</se:Body></se:Envelope>"
    )
}

fn session_header(namespace: &str, session: &str) -> String {
    format!("<SessionHeader xmlns=\"{namespace}\"><sessionId>{session}</sessionId></SessionHeader>")
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).expect(text);
    rest.split_once(end).expect(text).0
}
