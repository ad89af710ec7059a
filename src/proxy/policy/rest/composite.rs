//! Requests within requests.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;

use super::{
    super::{
        ask::{self, Ask},
        json::Json,
        judge::{Judge, Judged, Object, is_name},
    },
    judge as judge_ask,
};
use crate::{
    proxy::{
        path::{LONGEST_WITHIN, is_plain},
        target::is_version,
    },
    salesforce::REST_ROOT,
};

/// `composite`: requests with whole paths, in which a part of an earlier answer may stand.
pub(super) fn judge(judge: Judge<'_>, ask: &Ask<'_>, body: &Json) -> Judged {
    let Some(requests) = body.list("compositeRequest") else {
        return judge.unplaced(ask, "its body has no compositeRequest");
    };
    if requests.len() > MOST {
        return judge.unplaced(ask, "it has too many requests in it");
    }
    let created = created(requests);
    for request in requests {
        let url = request.text("url").unwrap_or_default();
        let has_reference = percent_decode_str(url).any(|byte| byte == b'@' || byte == b'{');
        if has_reference && !has_known_references(url, &created) {
            let why = "a url in it has a reference (@{…}) to something other than the id of a record \
                       that it creates by POST to sobjects";
            return judge.unplaced(ask, why);
        }
        let url = url.replace("@{", "").replace('}', "");
        judge_part(judge, ask, request, &url, "body")?;
    }
    Ok(())
}

/// `composite/batch`: requests with paths from the version on.
pub(super) fn judge_batch(judge: Judge<'_>, ask: &Ask<'_>, body: &Json) -> Judged {
    let Some(requests) = body.list("batchRequests") else {
        return judge.unplaced(ask, "its body has no batchRequests");
    };
    if requests.len() > MOST {
        return judge.unplaced(ask, "it has too many requests in it");
    }
    for request in requests {
        let url = request.text("url").unwrap_or_default();
        let url = url.trim_start_matches('/');
        let url = url.strip_prefix("services/data/").unwrap_or(url);
        let url = format!("{REST_ROOT}{url}");
        judge_part(judge, ask, request, &url, "richInput")?;
    }
    Ok(())
}

/// `composite/graph`: lists of requests as in `composite`.
pub(super) fn judge_graph(policy: Judge<'_>, ask: &Ask<'_>, body: &Json) -> Judged {
    let Some(graphs) = body.list("graphs") else {
        return policy.unplaced(ask, "its body has no graphs");
    };
    let requests = graphs
        .iter()
        .filter_map(|graph| graph.list("compositeRequest"));
    if graphs.len() > MOST_GRAPHS || requests.map(<[Json]>::len).sum::<usize>() > MOST {
        return policy.unplaced(ask, "it has too many graphs, or requests in them");
    }
    graphs
        .iter()
        .try_for_each(|graph| judge(policy, ask, graph))
}

fn judge_part(judge: Judge<'_>, around: &Ask<'_>, request: &Json, url: &str, body: &str) -> Judged {
    if around.depth >= DEEPEST {
        return judge.unplaced(around, "it has requests within requests within requests");
    }
    let method = request.text("method").and_then(method_of);
    // Without a version, the org might take it for another path than is judged here.
    let version = url.strip_prefix(REST_ROOT).unwrap_or_default();
    let version = version.split(['/', '?']).next().unwrap_or_default();
    let is_usual = is_version(version.as_bytes()) && !url.contains(['#', '\\']);
    let Some(method) = method.filter(|_| is_usual) else {
        let why = "a request in it has no method and url as they are usual";
        return judge.unplaced(around, why);
    };
    let headers = request.get("httpHeaders").map(Json::entries);
    for (name, value) in headers.unwrap_or_default() {
        if ask::is_telling(name.trim()) {
            return judge.unplaced(
                around,
                "a request in it has a header that changes what it does",
            );
        }
        let Json::Text(value) = value else {
            return judge.unclear(around, "a header of a request in it is no text");
        };
        if ask::shows_duplicates(name.trim(), value.as_bytes()) {
            let what = format!("{around} with includeRecordDetails");
            judge.read(&what, Object::Unknown)?;
        }
    }
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let longest = if is_plain(path.as_bytes()) {
        LONGEST_WITHIN
    } else {
        LONGEST_ODD
    };
    if path.len() > longest {
        return judge.unplaced(around, "a request in it has too long a path");
    }
    match Ask::new(method, path, query, around.depth + 1) {
        Ok(ask) => judge_ask(judge, &ask, request.get(body)),
        Err(why) => judge.unplaced(around, why),
    }
}

/// The method that `said` means: in capitals, or as Connect REST API Developer Guide has it, `Get`.
fn method_of(said: &str) -> Option<&'static str> {
    let (first, rest) = said.split_at_checked(1)?;
    let mut known = METHODS.into_iter();
    known.find(|known| {
        let (initial, others) = known.split_at(1);
        first == initial && (rest == others || rest == others.to_ascii_lowercase())
    })
}

/// The names of the requests that create a record, whose answers have its id.
fn created(requests: &[Json]) -> HashSet<&str> {
    let creates = |request: &&Json| {
        let url = request.text("url").unwrap_or_default();
        let mut words = url.trim_matches('/').split('/');
        request.text("method") == Some("POST")
            && !url.contains(['?', '%', '@'])
            && words.nth(3) == Some("sobjects")
            && words.count() == 1
    };
    // What else there may be in a name would be part of a path or a query until the org puts an id there.
    let name = |request| Json::text(request, "referenceId").filter(|name| is_name(name));
    let mut counts = HashMap::new();
    for name in requests.iter().filter_map(name) {
        *counts.entry(name).or_insert(0_usize) += 1;
    }
    let names = requests.iter().filter(creates).filter_map(name);
    names.filter(|name| counts.get(name) == Some(&1)).collect()
}

/// Returns whether all references in `url` are to ids of records in `created`: an id has neither
/// slashes nor quotes, and all else might.
fn has_known_references(url: &str, created: &HashSet<&str>) -> bool {
    // Nor may there be another one, however it is spelled.
    let is_plain = |text| !percent_decode_str(text).any(|byte| b"@{}".contains(&byte));
    let mut parts = url.split("@{");
    parts.next().is_some_and(is_plain)
        && parts.all(|part| {
            let (reference, rest) = part.split_once('}').unwrap_or_default();
            let name = reference.strip_suffix(".id");
            name.is_some_and(|name| created.contains(name)) && is_plain(rest)
        })
}

/// Requests in one; Salesforce takes 500 in all graphs, and less elsewhere.
const MOST: usize = 500;

/// REST API Developer Guide, *Composite Graph Limits*.
const MOST_GRAPHS: usize = 75;

/// Bytes of a path that can be read in several ways: more than an external id of 255 characters has,
/// however it is encoded.
const LONGEST_ODD: usize = 4 * 1024;

/// A batch in a composite in a graph, and a bit more.
const DEEPEST: u8 = 4;

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
