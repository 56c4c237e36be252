//! What the name of a model tells: which wishes it takes, and in which form.
//!
//! The models of this API differ in what they accept, and answer the rest with 400: a target that cannot carry a
//! wish is better passed over than asked in vain. Names carry a family and a version (`claude-opus-4-6`,
//! `claude-3-7-sonnet-20250219`, `anthropic.claude-haiku-4-5-20251001-v1:0`); a Claude without a version is taken
//! for the newest, and any other name for a compatible server, of which nothing is known and everything is tried.
//!
//! Source: the table of thinking configurations and the migration guides of the public documentation,
//! <https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting>.

/// What is known of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    family: Family,
    /// Major and minor.
    version: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// Fable and Mythos: one model with and without its safeguards.
    Fable,
    Opus,
    Sonnet,
    /// Another Claude.
    Claude,
    /// No Claude.
    Foreign,
}

impl Model {
    pub(super) fn named(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let Some((_, name)) = name.split_once("claude") else {
            return Self { family: Family::Foreign, version: (0, 0) };
        };
        let families = [
            ("fable", Family::Fable),
            ("mythos", Family::Fable),
            ("opus", Family::Opus),
            ("sonnet", Family::Sonnet),
        ];
        let family = families.iter().find(|(word, _)| name.contains(word));
        Self { family: family.map_or(Family::Claude, |found| found.1), version: version(name) }
    }

    /// Thinks within `budget_tokens`, and knows no effort. So do compatible servers, most of which learnt to think
    /// from that generation.
    pub(super) fn thinks_by_budget(self) -> bool {
        self.version <= (4, 5)
    }

    pub(super) fn thinks_unasked(self) -> bool {
        self.version >= (5, 0) || self.always_thinks()
    }

    pub(super) fn always_thinks(self) -> bool {
        self.family == Family::Fable || self.is(Family::Opus, (5, 5))
    }

    /// Stops thinking up front if told `between_tools`, and does not know `disabled`.
    pub(super) fn rests_between_tools(self) -> bool {
        self.is(Family::Sonnet, (5, 5))
    }

    /// Cannot be made to call a tool.
    pub(super) fn chooses_tools_itself(self) -> bool {
        self.is(Family::Fable, (5, 1)) || self.is(Family::Opus, (5, 5)) || self.is(Family::Sonnet, (5, 5))
    }

    /// Takes no `temperature`, `top_p` or `top_k`.
    pub(super) fn samples_its_own_way(self) -> bool {
        self.version >= (4, 7)
    }

    /// Takes `temperature` or `top_p`, and not both.
    pub(super) fn samples_one_way(self) -> bool {
        self.version >= (4, 1)
    }

    /// Goes on with an answer that was begun for it.
    pub(super) fn continues_answers(self) -> bool {
        self.version <= (4, 5)
    }

    fn is(self, family: Family, since: (u32, u32)) -> bool {
        self.family == family && self.version >= since
    }
}

/// The first number of at most two digits, and the one right after it: eight digits are a date.
fn version(name: &str) -> (u32, u32) {
    let number = |word: &&str| word.parse().ok().filter(|_| word.len() <= 2);
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let major = words.by_ref().find_map(|word| number(&word));
    let minor = words.next().and_then(|word| number(&word));
    major.map_or((u32::MAX, 0), |major| (major, minor.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_age_and_platform_have_their_version() {
        for (name, version) in [
            ("claude-2.1", (2, 1)),
            ("claude-3-opus-20240229", (3, 0)),
            ("claude-3-7-sonnet-latest", (3, 7)),
            ("claude-opus-4-20250514", (4, 0)),
            ("claude-sonnet-4-5@20250929", (4, 5)),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", (4, 5)),
            ("anthropic.claude-opus-4-6-v1", (4, 6)),
            ("Claude-Sonnet-5", (5, 0)),
            ("claude-opus-5-5", (5, 5)),
            ("claude-mythos-preview", (u32::MAX, 0)),
            ("some-model-3", (0, 0)),
        ] {
            assert_eq!(Model::named(name).version, version, "{name}");
        }
    }

    #[test]
    fn the_documented_table_is_kept() {
        // By budget (and so from a beginning), unasked, always, between tools, own choice of tools, own sampling.
        let table = [
            ("claude-haiku-4-5", [true, false, false, false, false, false]),
            ("claude-opus-4-5-20251101", [true, false, false, false, false, false]),
            ("claude-opus-4-6", [false, false, false, false, false, false]),
            ("claude-sonnet-4-6", [false, false, false, false, false, false]),
            ("claude-opus-4-8", [false, false, false, false, false, true]),
            ("claude-sonnet-5", [false, true, false, false, false, true]),
            ("claude-opus-5", [false, true, false, false, false, true]),
            ("claude-haiku-5-5", [false, true, false, false, false, true]),
            ("claude-sonnet-5-5", [false, true, false, true, true, true]),
            ("claude-opus-5-5", [false, true, true, false, true, true]),
            ("claude-fable-5", [false, true, true, false, false, true]),
            ("claude-fable-5-1", [false, true, true, false, true, true]),
            ("claude-mythos-5-2", [false, true, true, false, true, true]),
            ("glm-4.6", [true, false, false, false, false, false]),
        ];
        for (name, expected) in table {
            let model = Model::named(name);
            let facts = [
                model.thinks_by_budget() && model.continues_answers(),
                model.thinks_unasked(),
                model.always_thinks(),
                model.rests_between_tools(),
                model.chooses_tools_itself(),
                model.samples_its_own_way(),
            ];
            assert_eq!(facts, expected, "{name}");
        }
    }
}
