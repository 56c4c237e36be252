//! Chance that falls the same way every time: a fingerprint of the request becomes the seed of every choice.

/// A 64-bit FNV-1a hash (Fowler, Noll, Vo), written out here because the standard library's hashes may
/// change between releases and answers must not.
#[derive(Clone, Copy)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) const fn new(seed: u64) -> Self {
        Self(0xcbf2_9ce4_8422_2325).number(seed)
    }

    pub(super) const fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// The length goes in first, so that `"ab" + "c"` differs from `"a" + "bc"`.
    pub(super) const fn text(self, text: &str) -> Self {
        self.number(text.len() as u64).bytes(text.as_bytes())
    }

    const fn bytes(self, mut bytes: &[u8]) -> Self {
        let mut hash = self.0;
        while let [first, rest @ ..] = bytes {
            hash = (hash ^ *first as u64).wrapping_mul(0x0000_0100_0000_01b3);
            bytes = rest;
        }
        Self(hash)
    }

    pub(super) const fn dice(self) -> Dice {
        Dice(self.0)
    }
}

/// A SplitMix64 generator (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; 0 for an empty range.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.roll().checked_rem(bound as u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
    }

    /// A number in `low..=high`; `low` if the range is empty.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        let span = u64::from(high.saturating_sub(low)) + 1;
        low.saturating_add(u32::try_from(self.roll() % span).unwrap_or(0))
    }

    /// One of the texts; the empty text if there is none.
    pub(super) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.get(self.below(of.len())).copied().unwrap_or_default()
    }

    /// A number in `0.0..1.0`.
    pub(super) fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.roll() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }

    /// `length` lower-case letters and digits, for the tail of an id.
    pub(super) fn tag(&mut self, length: usize) -> String {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        (0..length).filter_map(|_| DIGITS.get(self.below(DIGITS.len())).copied().map(char::from)).collect()
    }
}

/// Deals texts in a shuffled order and starts again, shuffled anew, when all were dealt.
pub(super) struct Deck {
    cards: &'static [&'static str],
    left: Vec<&'static str>,
}

impl Deck {
    pub(super) const fn of(cards: &'static [&'static str]) -> Self {
        Self { cards, left: Vec::new() }
    }

    pub(super) fn deal(&mut self, dice: &mut Dice) -> &'static str {
        if self.left.is_empty() {
            self.left.extend_from_slice(self.cards);
        }
        if self.left.is_empty() {
            return "";
        }
        let at = dice.below(self.left.len());
        self.left.swap_remove(at)
    }
}
