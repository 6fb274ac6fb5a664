//! Retries: which status codes are temporary failures, and how long to wait.

use std::time::Duration;

use rand::RngExt;

/// The upper end of the first wait; it doubles from wait to wait up to the longest.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Returns true if a server may answer otherwise the next time (RFC 9110; 425: RFC 8470; 429: RFC
/// 6585; 520 to 529 are Cloudflare's and others' words for a server behind them that doesn't
/// answer).
pub(super) fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 520..=529)
}

/// Returns how long to wait after this many failures (exponential back-off with full jitter): a
/// random time up to a limit that doubles, so that attempts that failed together don't come back
/// together (M. Brooker, *Exponential Backoff And Jitter*, AWS Architecture Blog, 2015).
pub(super) fn back_off(failures: u32) -> Duration {
    rand::rng().random_range(Duration::ZERO..=longest_after(failures))
}

fn longest_after(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let ends: Vec<u64> =
            (0..9).map(|failures| longest_after(failures).as_millis() as u64).collect();
        assert_eq!(ends, [500, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(longest_after(u32::MAX), LONGEST);
    }

    #[test]
    fn waits_lie_anywhere_below_their_end() {
        let waits: Vec<Duration> = (0..200).map(|_| back_off(2)).collect();
        assert!(waits.iter().all(|wait| *wait <= 2 * FIRST));
        assert!(waits.iter().any(|wait| *wait < FIRST / 2));
        assert!(waits.iter().any(|wait| *wait > 3 * FIRST / 2));
    }

    #[test]
    fn only_temporary_failures_are_tried_again() {
        let again: Vec<u16> = (100..600).filter(|status| is_temporary(*status)).collect();
        assert_eq!(again[..7], [408, 425, 429, 500, 502, 503, 504]);
        assert_eq!(again[7..], (520..=529).collect::<Vec<_>>());
    }
}
