//! Apex: running code, and the web services of classes.

use super::{element::Element, endpoint::Endpoint, xml::Xml};

/// `executeAnonymous`: any code succeeds.
pub(super) fn execute_anonymous(xml: &mut Xml) {
    xml.within("result", |xml| {
        xml.text("column", "-1");
        xml.nil("compileProblem");
        xml.bool("compiled", true);
        xml.nil("exceptionMessage");
        xml.nil("exceptionStackTrace");
        xml.text("line", "-1");
        xml.bool("success", true);
    });
}

/// Any method of any class returns its arguments, one after the other.
pub(super) fn echo(method: &Element, xml: &mut Xml) {
    let arguments: Vec<_> = method
        .children
        .iter()
        .map(|argument| argument.text.as_str())
        .collect();
    xml.text("result", &arguments.join(" "));
}

/// The header of the response to a request with a `DebuggingHeader`: the log of the run.
pub(super) fn debugging_info(
    endpoint: &Endpoint,
    operation: &Element,
    username: &str,
    xml: &mut Xml,
) {
    // Clients name the element of the code differently, and an org ignores its name.
    let code = match operation.name.as_str() {
        "executeAnonymous" => operation.children.first(),
        _ => None,
    };
    let code = code.map_or("", |code| code.text.as_str());
    let mut log = format!(
        "{}.0 APEX_CODE,DEBUG;APEX_PROFILING,INFO\n",
        endpoint.version
    );
    for line in code.lines() {
        log += &format!("Execute Anonymous: {line}\n");
    }
    log += &event(&format!("USER_INFO|[EXTERNAL]|{username}"));
    log += &event("EXECUTION_STARTED");
    log += &event("CODE_UNIT_STARTED|[EXTERNAL]|execute_anonymous_apex");
    for (number, line) in code.lines().enumerate() {
        if let Some(text) = debugged(line) {
            log += &event(&format!("USER_DEBUG|[{}]|DEBUG|{text}", number + 1));
        }
    }
    log += &event("CODE_UNIT_FINISHED|execute_anonymous_apex");
    log += &event("EXECUTION_FINISHED");
    xml.within("DebuggingInfo", |xml| xml.text("debugLog", &log));
}

/// The text in `System.debug('…')`. Nothing else is understood.
fn debugged(line: &str) -> Option<&str> {
    let (_, argument) = line.split_once("System.debug('")?;
    let (text, _) = argument.split_once("')")?;
    Some(text)
}

/// A line of a log, which takes no time.
fn event(text: &str) -> String {
    format!("09:30:00.0 (1000000)|{text}\n")
}
