//! A scraper, as strict as OpenMetrics 1.0 is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Index,
};

/// A name, labels, and a value.
pub(super) type Sample = (String, BTreeMap<String, String>, f64);

/// What a scraper makes of the text.
pub(super) struct Text {
    pub(super) families: BTreeMap<String, Family>,
}

pub(super) struct Family {
    pub(super) kind: String,
    pub(super) samples: Vec<Sample>,
}

impl Text {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.strip_suffix("# EOF\n").unwrap();
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let (name, help) = line
                .strip_prefix("# HELP ")
                .unwrap()
                .split_once(' ')
                .unwrap();
            assert!(!help.is_empty() && !help.contains(['\\', '"']), "{line}");
            let kind = lines.next().unwrap().strip_prefix("# TYPE ").unwrap();
            let kind = kind.strip_prefix(name).unwrap().strip_prefix(' ').unwrap();
            let endings: &[&str] = match kind {
                "counter" => &["_total"],
                "gauge" => &[""],
                "info" => &["_info"],
                "histogram" => &["_sum", "_count", "_bucket"],
                _ => panic!("{kind}"),
            };
            let (mut samples, mut seen) = (Vec::new(), BTreeSet::new());
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let sample = parse_sample(line);
                let ending = sample.0.strip_prefix(name).unwrap();
                assert!(endings.contains(&ending), "{line}");
                let is_new = seen.insert((sample.0.clone(), sample.1.clone()));
                assert!(is_new, "twice: {line}");
                samples.push(sample);
            }
            let kind = kind.to_owned();
            let family = Family { kind, samples };
            assert!(families.insert(name.to_owned(), family).is_none(), "{name}");
        }
        Self { families }
    }

    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let name = format!("orgproxy_{name}");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let labels: BTreeMap<_, _> = labels.iter().map(owned).collect();
        let mut samples = self.families.values().flat_map(|family| &family.samples);
        let sample = samples.find(|sample| sample.0 == name && sample.1 == labels);
        sample.unwrap_or_else(|| panic!("no {name} {labels:?}")).2
    }
}

impl Index<&str> for Text {
    type Output = Family;

    fn index(&self, name: &str) -> &Family {
        &self.families[name]
    }
}

impl Family {
    pub(super) fn sum(&self) -> f64 {
        self.samples.iter().map(|(_, _, value)| value).sum()
    }
}

/// `name{label="value",…} number`
fn parse_sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    assert!(name.chars().all(is_name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(mut list) = rest.strip_prefix('{') {
        loop {
            let (label, after) = list.split_once("=\"").unwrap();
            assert!(label.chars().all(is_name), "{line}");
            let (value, after) = parse_value(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            match after.strip_prefix(',') {
                Some(next) => list = next,
                None => {
                    rest = after.strip_prefix('}').unwrap();
                    break;
                }
            }
        }
    }
    let number = rest.strip_prefix(' ').unwrap();
    assert!(!number.contains(' '), "{line}");
    (name.to_owned(), labels, number.parse().unwrap())
}

/// The value of a label, and what follows its closing quote.
fn parse_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next().unwrap().1 {
                'n' => value.push('\n'),
                c @ ('\\' | '"') => value.push(c),
                c => panic!("\\{c}"),
            },
            c => value.push(c),
        }
    }
    panic!("no closing quote in {text}")
}
