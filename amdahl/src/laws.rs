//! The laws of speedup: what n workers can give.
//!
//! Numbers of workers are `f64`, because the curves between them are drawn, too. The tool `law` of
//! this crate prints them as tables: `cargo run -p amdahl -- law --help`.

/// A number for which a law says nothing.
///
/// ```
/// let error = amdahl::laws::amdahl(1.5, 4.0).unwrap_err();
/// assert_eq!((error.what, error.value), ("p, the parallel fraction,", 1.5));
/// assert!(error.to_string().ends_with("is 1.5: it must be a fraction from 0 to 1"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{what} is {value}: it must be {domain}")]
pub struct DomainError {
    /// The number's name.
    pub what: &'static str,
    /// The value that it has.
    pub value: f64,
    /// The values that it may have.
    pub domain: &'static str,
}

/// Amdahl's law: the speedup of a fixed amount of work by n workers, if the fraction p of it can be
/// shared: 1 / ((1 − p) + p/n) (Amdahl, *Validity of the single processor approach*, 1967).
///
/// ```
/// use amdahl::laws;
///
/// assert_eq!(laws::amdahl(0.75, 3.0)?, 2.0);
/// assert_eq!(laws::amdahl(1.0, 8.0)?, 8.0);
/// # Ok::<(), laws::DomainError>(())
/// ```
///
/// # Errors
/// [`DomainError`] if p isn't from 0 to 1, or n isn't 1 or more.
pub fn amdahl(p: f64, n: f64) -> Result<f64, DomainError> {
    let (p, n) = (fraction("p, the parallel fraction,", p)?, workers(n)?);
    Ok(1.0 / ((1.0 - p) + p / n))
}

/// Returns the limit of Amdahl's speedup for ever more workers, which none reaches: 1 / (1 − p).
/// Infinite for p = 1.
///
/// ```
/// use amdahl::laws;
///
/// assert_eq!(laws::amdahl_limit(0.75)?, 4.0);
/// assert!(laws::amdahl(0.75, 1_000_000.0)? < 4.0);
/// # Ok::<(), laws::DomainError>(())
/// ```
///
/// # Errors
/// [`DomainError`] if p isn't from 0 to 1.
pub fn amdahl_limit(p: f64) -> Result<f64, DomainError> {
    Ok(1.0 / (1.0 - fraction("p, the parallel fraction,", p)?))
}

/// Gustafson's law: how much more n workers do in the same time, if they spend the fraction s of it
/// in the serial part, which doesn't grow: n + (1 − n)·s (Gustafson, *Reevaluating Amdahl's law*,
/// 1988).
///
/// ```
/// use amdahl::laws;
///
/// assert_eq!(laws::gustafson(0.25, 8.0)?, 6.25);
/// // The same fraction of a fixed amount of work: much less.
/// assert!(laws::amdahl(0.75, 8.0)? < 3.0);
/// # Ok::<(), laws::DomainError>(())
/// ```
///
/// # Errors
/// [`DomainError`] if s isn't from 0 to 1, or n isn't 1 or more.
pub fn gustafson(s: f64, n: f64) -> Result<f64, DomainError> {
    let (s, n) = (fraction("s, the serial fraction,", s)?, workers(n)?);
    Ok(n + (1.0 - n) * s)
}

/// The Karp–Flatt metric: the serial fraction that a measured speedup by n workers shows:
/// (1/S − 1/n) / (1 − 1/n) (Karp and Flatt, *Measuring parallel processor performance*, 1990).
///
/// If it grows with n, it isn't serial work that is in the way, but what working together costs. It
/// is below 0 if the speedup is more than n.
///
/// ```
/// use amdahl::laws;
///
/// assert_eq!(laws::karp_flatt(2.0, 3.0)?, 0.25);
/// assert_eq!(laws::karp_flatt(3.0, 3.0)?, 0.0);
/// assert!(laws::karp_flatt(1.0, 1.0).is_err());
/// # Ok::<(), laws::DomainError>(())
/// ```
///
/// # Errors
/// [`DomainError`] if the speedup isn't more than 0, or n isn't more than 1.
pub fn karp_flatt(speedup: f64, n: f64) -> Result<f64, DomainError> {
    if !(speedup > 0.0 && speedup.is_finite()) {
        let domain = "a finite number of more than 0";
        return Err(DomainError { what: "S, the speedup,", value: speedup, domain });
    }
    if workers(n)? == 1.0 {
        let domain = "more than 1: one worker shows nothing";
        return Err(DomainError { what: "n, the number of workers,", value: n, domain });
    }
    Ok((1.0 / speedup - 1.0 / n) / (1.0 - 1.0 / n))
}

/// The efficiency: the share of its time that a worker is of use, speedup / n. 1 is all of it.
///
/// ```
/// use amdahl::laws;
///
/// assert_eq!(laws::efficiency(laws::amdahl(0.75, 3.0)?, 3.0)?, 2.0 / 3.0);
/// # Ok::<(), laws::DomainError>(())
/// ```
///
/// # Errors
/// [`DomainError`] if n isn't 1 or more.
pub fn efficiency(speedup: f64, n: f64) -> Result<f64, DomainError> {
    Ok(speedup / workers(n)?)
}

fn fraction(what: &'static str, value: f64) -> Result<f64, DomainError> {
    let domain = "a fraction from 0 to 1";
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(DomainError { what, value, domain }) }
}

fn workers(n: f64) -> Result<f64, DomainError> {
    let domain = "a finite number of 1 or more";
    let what = "n, the number of workers,";
    if n >= 1.0 && n.is_finite() { Ok(n) } else { Err(DomainError { what, value: n, domain }) }
}
