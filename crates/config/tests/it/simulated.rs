//! The simulated provider: moods and faults.

use parapet_config::{FaultKind, Mood, ProviderKind, SimulatedSettings};

use crate::support::Case;

fn simulated(keys: &str) -> Case {
    Case::new(format!("version: 1\nproviders: {{ simulated: {{ {keys} }} }}"))
}

#[track_caller]
fn settings(keys: &str) -> SimulatedSettings {
    match &simulated(keys).loaded().config.providers["simulated"].kind {
        ProviderKind::Simulated(settings) => settings.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_is_friendly_and_makes_no_mistakes_unless_asked_to() {
    let settings = settings("");
    assert_eq!(settings.mood, Mood::Friendly);
    assert_eq!((settings.faults.rate, &settings.faults.kinds[..]), (0.0, &[][..]));
}

#[test]
fn every_mood_has_a_name() {
    for (word, mood) in [
        ("friendly", Mood::Friendly),
        ("slow", Mood::Slow),
        ("flaky", Mood::Flaky),
        ("long", Mood::Long),
        ("reasoning", Mood::Reasoning),
        ("tools", Mood::Tools),
        ("refusal", Mood::Refusal),
    ] {
        assert_eq!(settings(&format!("mood: {word}")).mood, mood);
    }
    let faults = simulated("mood: frendly").faults();
    assert_eq!(faults[0].help.as_deref(), Some("did you mean `friendly`?"));
}

#[test]
fn every_kind_of_fault_has_a_name() {
    let kinds = "error, overloaded, rate_limited, refused, stall, cut, malformed, error_event";
    let faults = settings(&format!("faults: {{ rate: 20%, kinds: [{kinds}] }}")).faults;
    assert_eq!(faults.rate, 0.2);
    assert_eq!(
        faults.kinds,
        [
            FaultKind::Error,
            FaultKind::Overloaded,
            FaultKind::RateLimited,
            FaultKind::Refused,
            FaultKind::Stall,
            FaultKind::Cut,
            FaultKind::Malformed,
            FaultKind::ErrorEvent,
        ]
    );
    assert_eq!(simulated("faults: { rate: 1%, kinds: [crash] }").codes(), ["invalid-value"]);
}

#[test]
fn a_rate_is_a_percentage_of_at_most_all() {
    assert_eq!(settings("faults: { rate: 100% }").faults.rate, 1.0);
    assert_eq!(settings("faults: { rate: 0.5% }").faults.rate, 0.005);
    assert_eq!(simulated("faults: { rate: 101% }").codes(), ["out-of-range"]);
    assert_eq!(simulated("faults: { rate: 0.2 }").codes(), ["invalid-value"]);
}

#[test]
fn moods_and_faults_have_no_effect_on_real_providers() {
    let text = "version: 1\nproviders: { ollama: { mood: slow, faults: { rate: 1% } } }";
    assert_eq!(Case::new(text).codes(), ["no-effect", "no-effect"]);
}
