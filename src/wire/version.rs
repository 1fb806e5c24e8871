//! The protocol revisions and what each of them allows.

use std::fmt;

/// A revision. Its order is that of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

/// Whether a peer opens with a handshake (`Legacy`) or says everything in each request (`Modern`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    Legacy,
    Modern,
}

// === impl Version ===

impl Version {
    /// Those that open with a handshake.
    pub const LEGACY: [Self; 4] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25];
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;
    /// The one without a handshake that is served here.
    pub const MODERN: Self = Self::V2026_07_28;
    /// What a request means that names no revision and belongs to no session.
    pub const ASSUMED: Self = Self::V2025_03_26;

    /// A revision with a handshake. Where there is none, a date only has to be compared with [`Self::MODERN`].
    pub fn parse_legacy(text: &str) -> Option<Self> {
        Self::LEGACY.into_iter().find(|version| version.as_str() == text)
    }

    pub fn era(self) -> Era {
        if self == Self::MODERN { Era::Modern } else { Era::Legacy }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// What a client whose handshake asks for `text` is answered: the same if it is known, else the newest with a handshake.
    pub fn answer_to(text: &str) -> Self {
        Self::parse_legacy(text).unwrap_or(Self::NEWEST_LEGACY)
    }

    /// Whether a POST may hold an array. 2024-11-05 does not say and is treated kindly.
    pub fn batches(self) -> bool {
        matches!(self, Self::V2024_11_05 | Self::V2025_03_26)
    }

    /// Whether events carry ids and a lost stream can be taken up again.
    pub fn resumes(self) -> bool {
        (Self::V2025_03_26..=Self::V2025_11_25).contains(&self)
    }

    /// Whether a stream begins with an event of an id and empty data. Older clients parse the empty data and fail.
    pub fn primes(self) -> bool {
        self == Self::V2025_11_25
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Era ===

impl Era {
    /// The era a revision date belongs to. Dates are ISO, so their order is that of their text.
    pub fn of(date: &str) -> Self {
        let is_date = date.starts_with(|first: char| first.is_ascii_digit());
        if is_date && date >= Version::MODERN.as_str() { Self::Modern } else { Self::Legacy }
    }

    /// As it is written in configurations, logs and status pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_revisions_are_echoed_and_others_get_the_newest() {
        for version in Version::LEGACY {
            assert_eq!(Version::answer_to(version.as_str()), version);
        }
        assert_eq!(Version::answer_to("2026-07-28"), Version::V2025_11_25);
        assert_eq!(Version::answer_to("yesterday"), Version::V2025_11_25);
    }

    #[test]
    fn only_the_newest_primes_and_only_the_oldest_batch() {
        let primes: Vec<bool> = Version::LEGACY.iter().map(|v| v.primes()).collect();
        let batches: Vec<bool> = Version::LEGACY.iter().map(|v| v.batches()).collect();
        assert_eq!(primes, [false, false, false, true]);
        assert_eq!(batches, [true, true, false, false]);
    }

    #[test]
    fn eras_follow_the_date() {
        assert_eq!(Era::of("2025-11-25"), Era::Legacy);
        assert_eq!(Era::of("2026-07-28"), Era::Modern);
        assert_eq!(Era::of("2027-01-01"), Era::Modern);
        assert!(Version::LEGACY.iter().all(|version| version.era() == Era::Legacy));
        assert_eq!(Version::MODERN.era(), Era::of(Version::MODERN.as_str()));
    }
}
