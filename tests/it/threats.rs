//! The table of threats in the manual is whole, and the tests that it names exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use test_case::test_case;

const TABLE: &str = "src/manual/threats.md";

/// The number of the last threat.
const LAST: usize = 67;

/// A reason has so many words at least.
const LEAST_WORDS: usize = 5;

#[test]
fn every_threat_has_its_tests_or_a_reason() {
    let tests = tests();
    assert!(tests.len() > 1000, "{}", tests.len());
    let table = fs::read_to_string(TABLE).unwrap();
    let faults = faults(&table, &tests);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_manual_shows_the_table() {
    let manual = fs::read_to_string("src/lib.rs").unwrap();
    assert!(manual.contains("#![doc = include_str!(\"manual/threats.md\")]"));
    let table = fs::read_to_string(TABLE).unwrap();
    assert!(table.starts_with("# Security\n"));
}

#[test_case("| R7 |", "| R8 |", "R8 stands where R7 should"; "a number twice")]
#[test_case("| R7 |", "| R07 |", "R07 stands where R7 should"; "a number that is odd")]
#[test_case("\n| R67 |", "\n", "it ends with R66"; "the last is missing")]
#[test_case("| R67 |", "| R67 | x | y | `a::b` |\n| R68 |", "R68 stands where nothing should"; "one too many")]
#[test_case("| R7 | a |", "| R7 |", "R7: not four columns"; "a column is missing")]
#[test_case("| R7 | a |", "| R7 | |", "R7: an empty column"; "a column is empty")]
#[test_case("`a::b`", "`a::c`", "there is no test a::c"; "a test that is not there")]
#[test_case("`a::b`", "`a::b`, `a::b`", "a::b is named twice"; "a test twice")]
#[test_case("`a::b`", "a::b", "\"a::b\" is not a name in backticks"; "no backticks")]
#[test_case("`a::b`", "", "R1: an empty column"; "nothing")]
#[test_case("`a::b`", "open: it is hard", "\"it is hard\" is not a reason"; "a short reason")]
#[test_case("`a::b`", "missing: a good reason in many words", "is not a name in backticks"; "an unknown word")]
#[test_case("| a | b |", "| a | `none.rs` |", "there is no src/none.rs"; "a file that is not there")]
fn a_table_with_a_fault_is_refused(from: &str, to: &str, fault: &str) {
    let table = sample();
    assert_eq!(faults(&table, &sample_tests()), Vec::<String>::new());
    let changed = table.replacen(from, to, 1);
    assert_ne!(changed, table);
    let faults = faults(&changed, &sample_tests());
    assert!(
        faults.iter().any(|found| found.contains(fault)),
        "{faults:?}"
    );
}

#[test_case("`a::b`"; "one test")]
#[test_case("`a::b`, `room::tests::c`"; "two tests")]
#[test_case("`a::b`<br>open: of this nothing is shown yet"; "a test and a gap")]
#[test_case("`a::b`<br>open: of this nothing is shown yet<br>does not apply: there is no such thing here"; "both")]
#[test_case("does not apply: there is no such thing here"; "a reason alone")]
fn what_a_row_may_say(shown: &str) {
    let table = sample().replacen("`a::b`", shown, 1);
    assert_eq!(faults(&table, &sample_tests()), Vec::<String>::new());
}

#[test]
fn only_functions_that_are_run_as_tests_count() {
    let source = "\
        #[test]\nfn plain() {}\n\
        #[tokio::test]\nasync fn asynchronous() {}\n\
        #[test_case(1; \"one\")]\n#[test_case(\n    2,\n)]\n#[tokio::test]\nasync fn cases(n: u8) {}\n\
        /// Words.\n#[tokio::test(start_paused = true)]\nasync fn paused() {}\n\
        #[test]\n#[ignore = \"run by another\"]\nfn ignored() {}\n\
        #[cfg(test)]\nfn helper() {}\n\
        fn another() {}\n\
        // #[test]\nfn commented() {}\n\
        mod tests {\n    #[test]\n    fn within() {}\n    fn helper() {}\n}\n";
    let mut found = BTreeSet::new();
    collect("room::file", source, &mut found);
    let expected = ["asynchronous", "cases", "paused", "plain", "tests::within"];
    let expected: Vec<_> = expected
        .iter()
        .map(|name| format!("room::file::{name}"))
        .collect();
    assert!(found.iter().eq(&expected), "{found:?}");
}

/// All that is wrong with `table`, if `tests` are all tests that there are.
fn faults(table: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let mut count = 0;
    // Below the names of the columns and the line under them.
    for row in rows.skip(2) {
        count += 1;
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let number = cells[1];
        if count > LAST {
            faults.push(format!("{number} stands where nothing should"));
        } else if number != format!("R{count}") {
            faults.push(format!("{number} stands where R{count} should"));
        }
        let ["", _, threat, done, shown, ""] = cells[..] else {
            faults.push(format!("{number}: not four columns"));
            continue;
        };
        if [threat, done, shown].iter().any(|cell| cell.is_empty()) {
            faults.push(format!("{number}: an empty column"));
            continue;
        }
        let of_row = files_missing(done).chain(faults_of(shown, tests));
        faults.extend(of_row.map(|fault| format!("{number}: {fault}")));
    }
    if count < LAST {
        faults.push(format!("it ends with R{count}"));
    }
    faults
}

/// The source files that are named and are not there.
fn files_missing(done: &str) -> impl Iterator<Item = String> {
    let quoted = done.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| name.ends_with(".rs") && !Path::new("src").join(name).is_file())
        .map(|name| format!("there is no src/{name}"))
}

/// All that is wrong with the last column: tests, and reasons why there are no more.
fn faults_of(shown: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut named = BTreeSet::new();
    for part in shown.split("<br>") {
        let mut reasons = ["open: ", "does not apply: "].into_iter();
        if let Some(reason) = reasons.find_map(|why| part.strip_prefix(why)) {
            if reason.split_whitespace().count() < LEAST_WORDS {
                faults.push(format!("{reason:?} is not a reason"));
            }
            continue;
        }
        for name in part.split(", ") {
            let inner = name
                .strip_prefix('`')
                .and_then(|name| name.strip_suffix('`'));
            match inner {
                None => faults.push(format!("{name:?} is not a name in backticks")),
                Some(name) if !tests.contains(name) => {
                    faults.push(format!("there is no test {name}"));
                }
                Some(name) if !named.insert(name) => faults.push(format!("{name} is named twice")),
                Some(_) => {}
            }
        }
    }
    faults
}

/// The names of all tests, as `cargo test` prints them: those of this binary, and those of the library.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let main = fs::read_to_string("tests/it/main.rs").unwrap();
    for line in main.lines() {
        let module = line.strip_prefix("mod ");
        if let Some(module) = module.and_then(|module| module.strip_suffix(';')) {
            let path = Path::new("tests/it").join(module).with_extension("rs");
            collect(module, &fs::read_to_string(path).unwrap(), &mut tests);
        }
    }
    let mut paths = vec![PathBuf::from("src")];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = path.with_extension("");
            let parts: Vec<_> = module
                .iter()
                .skip(1)
                .map(|part| part.to_str().unwrap())
                .collect();
            let module = parts.join("::");
            let text = fs::read_to_string(&path).unwrap();
            collect(&module, &text, &mut tests);
            if let Some(file) = properties(&text) {
                let text = fs::read_to_string(Path::new("tests/fuzz").join(file)).unwrap();
                collect(&format!("{module}::fuzz"), &text, &mut tests);
            }
        }
    }
    tests
}

/// The file of `tests/fuzz` with the properties of this module, if it has any.
fn properties(source: &str) -> Option<&str> {
    let (_, rest) = source.split_once("tests/fuzz/")?;
    let (file, _) = rest.split_once("\"]\nmod fuzz;")?;
    Some(file)
}

/// Adds the names of the tests in the source of `module`, and in the module `tests` within.
fn collect(module: &str, source: &str, names: &mut BTreeSet<String>) {
    let (mut is_test, mut is_run, mut within) = (false, true, "");
    for line in source.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim_start();
        if indent == 0 && line.starts_with('}') {
            within = "";
        } else if line.starts_with("mod tests {") || line.ends_with(" mod tests {") {
            within = "tests::";
        } else if line.starts_with("#[ignore") {
            is_run = false;
        } else if [
            "#[test]",
            "#[tokio::test]",
            "#[tokio::test(",
            "#[test_case(",
        ]
        .iter()
        .any(|attribute| line.starts_with(attribute))
        {
            is_test = true;
        } else if let Some(rest) = function(line) {
            let name: String = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            // What is in another function is not a test.
            if is_test && is_run && indent == if within.is_empty() { 0 } else { 4 } {
                names.insert(format!("{module}::{within}{name}"));
            }
            (is_test, is_run) = (false, true);
        }
    }
}

/// What follows `fn` in a line that begins a function.
fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    line.strip_prefix("async ")
        .unwrap_or(line)
        .strip_prefix("fn ")
}

/// A table without a fault.
fn sample() -> String {
    let rows = (1..=LAST).map(|number| format!("| R{number} | a | b | `a::b` |\n"));
    let rows: String = rows.collect();
    format!("# Security\n\n| | threat | done | shown |\n| --- | --- | --- | --- |\n{rows}")
}

fn sample_tests() -> BTreeSet<String> {
    ["a::b", "room::tests::c"].map(str::to_owned).into()
}
