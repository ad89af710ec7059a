//! What `orgproxy --version` says.

/// Version, commit, features and platform of this program, a line each, without its name.
pub(super) fn text() -> String {
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    let features = FEATURES.iter().filter(|(_, is_on)| *is_on);
    let features: Vec<_> = features.map(|(name, _)| *name).collect();
    for (name, value) in [
        ("commit", env!("ORGPROXY_COMMIT")),
        ("features", &features.join(", ")),
        ("platform", env!("ORGPROXY_TARGET")),
    ] {
        if !value.is_empty() {
            text += &format!("\n{name:<9} {value}");
        }
    }
    text
}

const FEATURES: [(&str, bool); 3] = [
    ("demo", cfg!(feature = "demo")),
    ("otlp", cfg!(feature = "otlp")),
    ("redis", cfg!(feature = "redis")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_features_are_listed() {
        let manifest = include_str!("../../Cargo.toml");
        let (_, features) = manifest.split_once("[features]\ndefault = [").unwrap();
        let (default, _) = features.split_once(']').unwrap();
        let names: Vec<_> = FEATURES
            .iter()
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        assert_eq!(default, names.join(", "));
        let on = FEATURES.iter().filter(|(_, is_on)| *is_on).count();
        assert_eq!(text().contains("\nfeatures  "), on > 0);
    }
}
