//! The usual spelling of names whose spelling is not known, as in HTTP/2.

use bytes::{BufMut, BytesMut};

/// Writes `name`, which is in lower case: each word with a capital, except for names that are
/// usually spelled otherwise.
pub(crate) fn put_name(name: &str, out: &mut BytesMut) {
    if let Some(spelled) = irregular(name) {
        return out.put_slice(spelled.as_bytes());
    }
    let prefix = |(plain, _): &&(&str, &str)| name.starts_with(plain);
    let (start, rest) = match PREFIXES.iter().find(prefix) {
        Some((plain, spelled)) => (*spelled, &name[plain.len()..]),
        None => ("", name),
    };
    out.put_slice(start.as_bytes());
    let mut begins = true;
    for byte in rest.bytes() {
        out.put_u8(if begins {
            byte.to_ascii_uppercase()
        } else {
            byte
        });
        begins = byte == b'-';
    }
}

const PREFIXES: [(&str, &str); 5] = [
    ("sec-ch-ua-", "Sec-CH-UA-"),
    ("sec-websocket-", "Sec-WebSocket-"),
    ("x-aws-", "X-AWS-"),
    ("x-github-", "X-GitHub-"),
    ("x-sfdc-", "X-SFDC-"),
];

/// Irregular names in IANA's registry of field names, in Salesforce's documentation, and in common
/// use.
fn irregular(name: &str) -> Option<&'static str> {
    Some(match name {
        // In every request.
        "authorization" => "Authorization",
        "a-im" => "A-IM",
        "accept-ch" => "Accept-CH",
        "alpn" => "ALPN",
        "baggage" => "baggage",
        "cdn-cache-control" => "CDN-Cache-Control",
        "cdn-loop" => "CDN-Loop",
        "cf-connecting-ip" => "CF-Connecting-IP",
        "cf-ipcountry" => "CF-IPCountry",
        "cf-ray" => "CF-RAY",
        "cf-cache-status" => "CF-Cache-Status",
        "content-id" => "Content-ID",
        "content-md5" => "Content-MD5",
        "critical-ch" => "Critical-CH",
        "dasl" => "DASL",
        "dav" => "DAV",
        "dnt" => "DNT",
        "dpop" => "DPoP",
        "dpop-nonce" => "DPoP-Nonce",
        "dpr" => "DPR",
        "ect" => "ECT",
        "etag" => "ETag",
        "expect-ct" => "Expect-CT",
        "http2-settings" => "HTTP2-Settings",
        "im" => "IM",
        "last-event-id" => "Last-Event-ID",
        "message-id" => "Message-ID",
        "mime-version" => "MIME-Version",
        "nel" => "NEL",
        "odata-entityid" => "OData-EntityId",
        "odata-isolation" => "OData-Isolation",
        "odata-maxversion" => "OData-MaxVersion",
        "odata-version" => "OData-Version",
        "p3p" => "P3P",
        "rtt" => "RTT",
        "sec-ch-ua" => "Sec-CH-UA",
        "sec-gpc" => "Sec-GPC",
        "sforce-enable-pkchunking" => "Sforce-Enable-PKChunking",
        "sforce-numberofrecords" => "Sforce-NumberOfRecords",
        "slug" => "SLUG",
        "soapaction" => "SOAPAction",
        "sourcemap" => "SourceMap",
        "tcn" => "TCN",
        "te" => "TE",
        // In lower case by their own specifications (W3C Trace Context, W3C Baggage).
        "traceparent" => "traceparent",
        "tracestate" => "tracestate",
        "www-authenticate" => "WWW-Authenticate",
        "x-b3-parentspanid" => "X-B3-ParentSpanId",
        "x-b3-spanid" => "X-B3-SpanId",
        "x-b3-traceid" => "X-B3-TraceId",
        "x-csrf-token" => "X-CSRF-Token",
        "x-csrftoken" => "X-CSRFToken",
        "x-dns-prefetch-control" => "X-DNS-Prefetch-Control",
        "x-http-method-override" => "X-HTTP-Method-Override",
        "x-prettyprint" => "X-PrettyPrint",
        "x-salesforce-sip" => "X-Salesforce-SIP",
        "x-sourcemap" => "X-SourceMap",
        "x-ua-compatible" => "X-UA-Compatible",
        "x-webkit-csp" => "X-WebKit-CSP",
        "x-xsrf-token" => "X-XSRF-TOKEN",
        "x-xss-protection" => "X-XSS-Protection",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_their_documentation_has_them() {
        for spelled in [
            "Accept",
            "Content-Type",
            "Sforce-Limit-Info",
            "Sforce-Locator",
            "Sforce-NumberOfRecords",
            "Sforce-Enable-PKChunking",
            "SOAPAction",
            "ETag",
            "WWW-Authenticate",
            "X-SFDC-Session",
            "X-SFDC-Request-Id",
            "X-SFDC-Edge-Cache",
            "TE",
            "DNT",
            "X-XSS-Protection",
            "Content-MD5",
            "Sec-WebSocket-Key",
            "Sec-Fetch-Site",
            "X-GitHub-Event",
            "X-Hub-Signature-256",
            "Last-Modified",
            "X-PrettyPrint",
            "traceparent",
            "1-2--A-",
            "X_y",
        ] {
            let mut out = BytesMut::new();
            put_name(&spelled.to_ascii_lowercase(), &mut out);
            assert_eq!(&out[..], spelled.as_bytes(), "{spelled}");
        }
    }
}
