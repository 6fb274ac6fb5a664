//! The Universal Scalability Law and its fit to measurements.

use common::text;

/// The Universal Scalability Law: the throughput of n workers is γn / (1 + α(n − 1) + βn(n − 1))
/// (Gunther, *Guerrilla Capacity Planning*, 2007). With β = 0 it is Amdahl's law, for p = 1 − α.
///
/// ```
/// use amdahl::{Usl, laws};
///
/// let law = Usl { alpha: 0.1875, beta: 0.0325, gamma: 100.0 };
/// assert_eq!(law.throughput(1.0), 100.0);
/// assert_eq!(law.peak(), Some(5.0));
/// assert!(law.throughput(6.0) < law.throughput(5.0));
///
/// let amdahl = Usl { alpha: 0.25, beta: 0.0, gamma: 100.0 };
/// let speedup = amdahl.throughput(4.0) / amdahl.throughput(1.0);
/// assert!((speedup - laws::amdahl(0.75, 4.0)?).abs() < 1e-12);
/// assert_eq!(amdahl.peak(), None);
/// # Ok::<(), laws::DomainError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usl {
    /// Contention: the fraction of the work that only one worker can do at a time.
    pub alpha: f64,
    /// Coherency: what it costs each worker to agree with each other worker.
    pub beta: f64,
    /// The throughput of one worker, in whatever unit: that of the measurements for a [`fit`].
    pub gamma: f64,
}

impl Usl {
    /// Returns the throughput of n workers, in the unit of γ.
    #[must_use]
    pub fn throughput(&self, n: f64) -> f64 {
        self.gamma * shape(self.alpha, self.beta, n)
    }

    /// Returns the number of workers with the highest throughput, √((1 − α)/β), but not below 1:
    /// more make it worse. `None` if β is 0, so that more never do.
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        (self.beta > 0.0).then(|| ((1.0 - self.alpha) / self.beta).sqrt().max(1.0))
    }
}

/// Returns the throughput of n workers, if that of one is 1.
fn shape(alpha: f64, beta: f64, n: f64) -> f64 {
    n / (1.0 + alpha * (n - 1.0) + beta * n * (n - 1.0))
}

/// A law with the least squares of differences to some measurements. Made by [`fit`].
///
/// ```
/// use amdahl::{Usl, fit};
///
/// let law = Usl { alpha: 0.05, beta: 0.01, gamma: 100.0 };
/// let measured: Vec<_> = (1..=8).map(f64::from).map(|n| (n, law.throughput(n))).collect();
/// let found = fit(&measured)?;
/// assert!((found.law.alpha - 0.05).abs() < 1e-6 && (found.law.beta - 0.01).abs() < 1e-6);
/// assert!(found.residual_error < 1e-3, "the points are the law's own");
/// assert!((found.fitted[7] - law.throughput(8.0)).abs() < 1e-3);
/// # Ok::<(), amdahl::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The law; its γ has the unit of the measurements.
    pub law: Usl,
    /// The standard errors of α, β and γ. `None` for one that is at its bound, where there is none.
    pub errors: [Option<f64>; 3],
    /// The standard error of the residuals: √(sum of squares / (points − 3)).
    pub residual_error: f64,
    /// The law's throughput for each point.
    pub fitted: Vec<f64>,
}

/// The reason why there is no fit; the text is in the reader's language.
///
/// ```
/// use amdahl::{FitError, fit};
///
/// let always_four = [(4.0, 100.0); 6];
/// assert_eq!(fit(&always_four), Err(FitError::TooAlike { different: 1 }));
/// let impossible = fit(&[(0.0, 100.0); 6]).unwrap_err();
/// eprintln!("{impossible}"); // point number 1 has n = 0, throughput = 100: …
/// ```
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// There are fewer points than [`MIN_POINTS`]: three numbers can be made to go through a few.
    #[error(
        "{}",
        text!(
            "there are {} points, and a fit of three numbers needs {} or more",
            points,
            MIN_POINTS
        )
    )]
    #[expect(missing_docs, reason = "the text says what it is")]
    TooFew { points: usize },
    /// There are fewer different n than [`MIN_DIFFERENT`]: the same n again and again says nothing
    /// of how the throughput grows.
    #[error(
        "{}",
        text!(
            "the points have {} different n, and a fit of three numbers needs {} or more",
            different,
            MIN_DIFFERENT
        )
    )]
    #[expect(missing_docs, reason = "the text says what it is")]
    TooAlike { different: usize },
    /// A number of workers or a throughput that can't be.
    #[error(
        "{}",
        text!(
            "point number {} has n = {}, throughput = {}: n is between 1 and 10^15, a throughput \
             more than 0 and finite",
            place + 1,
            n,
            throughput
        )
    )]
    #[expect(missing_docs, reason = "the text says what they are")]
    Point { place: usize, n: f64, throughput: f64 },
}

/// The smallest number of points that [`fit`] takes.
pub const MIN_POINTS: usize = 6;
/// The smallest number of different n that [`fit`] takes.
pub const MIN_DIFFERENT: usize = 4;

/// Finds the law that fits these points (n, throughput) best: least squares with α and β from 0 to
/// 1 and γ ≥ 0, by Levenberg's and Marquardt's method (1944, 1963). There is an example at [`Fit`].
/// Python: `scipy.optimize.curve_fit` with bounds.
///
/// # Errors
/// [`FitError::Point`] for a point that can't be; [`FitError::TooFew`] for fewer points than
/// [`MIN_POINTS`]; [`FitError::TooAlike`] for fewer different n than [`MIN_DIFFERENT`].
pub fn fit(points: &[(f64, f64)]) -> Result<Fit, FitError> {
    for (place, &(n, throughput)) in points.iter().enumerate() {
        if !((1.0..=1e15).contains(&n) && throughput > 0.0 && throughput.is_finite()) {
            return Err(FitError::Point { place, n, throughput });
        }
    }
    if points.len() < MIN_POINTS {
        return Err(FitError::TooFew { points: points.len() });
    }
    let mut different: Vec<f64> = points.iter().map(|(n, _)| *n).collect();
    different.sort_unstable_by(f64::total_cmp);
    different.dedup();
    if different.len() < MIN_DIFFERENT {
        return Err(FitError::TooAlike { different: different.len() });
    }
    // In a unit of their own, so that no square is too large or too small for a number.
    let unit = points.iter().fold(0.0, |largest: f64, (_, x)| largest.max(*x));
    let scaled: Vec<(f64, f64)> = points.iter().map(|(n, x)| (*n, x / unit)).collect();
    let (law, errors) = Problem { points: &scaled }.solve();
    let law = Usl { gamma: law.gamma * unit, ..law };
    let fitted: Vec<f64> = points.iter().map(|(n, _)| law.throughput(*n)).collect();
    let squares = scaled.iter().zip(&fitted).map(|((_, x), fit)| (x - fit / unit).powi(2));
    let variance = squares.sum::<f64>() / (points.len() - 3) as f64;
    let scale = [1.0, 1.0, unit];
    let errors: [Option<f64>; 3] =
        std::array::from_fn(|i| Some(errors[i]?.sqrt() * variance.sqrt() * scale[i]));
    Ok(Fit { law, errors, residual_error: variance.sqrt() * unit, fitted })
}

/// The search for α and β. γ isn't searched for: the best γ for given α and β is known (the law is
/// linear in it), so two numbers are left, and a grid can't miss the valley where the best lie.
struct Problem<'a> {
    points: &'a [(f64, f64)],
}

impl Problem<'_> {
    /// Returns the law with the best γ for these α and β, and its sum of squares.
    fn best(&self, alpha: f64, beta: f64) -> (Usl, f64) {
        let shapes = || self.points.iter().map(|(n, x)| (shape(alpha, beta, *n), x));
        let gamma =
            shapes().map(|(s, x)| s * x).sum::<f64>() / shapes().map(|(s, _)| s * s).sum::<f64>();
        let squares = shapes().map(|(s, x)| (x - gamma * s).powi(2)).sum();
        (Usl { alpha, beta, gamma }, squares)
    }

    /// Returns the best law, and the diagonal of (JᵀJ)⁻¹ for its numbers that aren't at a bound.
    fn solve(&self) -> (Usl, [Option<f64>; 3]) {
        let (mut law, mut squares) = self.start();
        // Levenberg and Marquardt: between Newton's step and steepest descent, nearer to the latter
        // after a step that made it worse.
        let mut damping = 1e-3;
        for _ in 0..500 {
            let (hessian, gradient) = self.normal(&law);
            let held = Self::held(&law, &gradient);
            let mut damped = hessian;
            for i in 0..3 {
                damped[i][i] += damping * hessian[i][i];
            }
            let Some(inverse) = inverse(&damped, held) else { break };
            let step = |i: usize| (0..3).map(|j| inverse[i][j] * gradient[j]).sum::<f64>();
            let alpha = (law.alpha + step(0)).clamp(0.0, 1.0);
            let beta = (law.beta + step(1)).clamp(0.0, 1.0);
            let (next, fewer) = self.best(alpha, beta);
            let still = (alpha - law.alpha).abs() <= 1e-14 && (beta - law.beta).abs() <= 1e-16;
            if fewer <= squares {
                (law, squares) = (next, fewer);
                damping = (damping / 10.0).max(1e-12);
            } else {
                damping *= 10.0;
            }
            if still || damping > 1e12 {
                break;
            }
        }
        let (hessian, gradient) = self.normal(&law);
        let held = Self::held(&law, &gradient);
        let inverse = inverse(&hessian, held);
        let free = |i: usize| inverse.filter(|_| !held[i]).map(|inverse| inverse[i][i].max(0.0));
        (law, std::array::from_fn(free))
    }

    /// Returns the best law of a grid: 0 and 1, and all orders of magnitude in between.
    fn start(&self) -> (Usl, f64) {
        // By divisions, which give the same digits on every machine: powers don't.
        let eighth = 10_f64.sqrt().sqrt().sqrt();
        let sizes = || {
            let sizes = std::iter::successors(Some(1.0), move |size| Some(size / eighth));
            std::iter::once(0.0).chain(sizes.take(64))
        };
        let all = sizes().flat_map(|alpha| sizes().map(move |beta| (alpha, beta)));
        let all = all.map(|(alpha, beta)| self.best(alpha, beta));
        all.min_by(|a, b| a.1.total_cmp(&b.1)).expect("the grid has points")
    }

    /// Returns JᵀJ and Jᵀ(x − fit), where J has the derivatives of the law by α, β, γ at each
    /// point.
    fn normal(&self, law: &Usl) -> ([[f64; 3]; 3], [f64; 3]) {
        let (mut hessian, mut gradient) = ([[0.0; 3]; 3], [0.0; 3]);
        for &(n, x) in self.points {
            let shape = shape(law.alpha, law.beta, n);
            let by_alpha = -law.gamma * shape * shape * (n - 1.0) / n;
            let row = [by_alpha, by_alpha * n, shape];
            for i in 0..3 {
                gradient[i] += row[i] * (x - law.gamma * shape);
                for j in 0..3 {
                    hessian[i][j] += row[i] * row[j];
                }
            }
        }
        (hessian, gradient)
    }

    /// Returns which of the numbers are at a bound and would go beyond it.
    fn held(law: &Usl, gradient: &[f64; 3]) -> [bool; 3] {
        let at = |value: f64, slope: f64| {
            (value <= 0.0 && slope <= 0.0) || (value >= 1.0 && slope >= 0.0)
        };
        [at(law.alpha, gradient[0]), at(law.beta, gradient[1]), false]
    }
}

/// Returns the inverse of a symmetric matrix without the rows and columns that are held, which are
/// 0 in it; `None` if there is none. The matrix is scaled by its diagonal first, because α and β
/// differ by many powers of ten.
fn inverse(matrix: &[[f64; 3]; 3], held: [bool; 3]) -> Option<[[f64; 3]; 3]> {
    let scale: [f64; 3] = std::array::from_fn(|i| 1.0 / matrix[i][i].sqrt());
    let mut left = [[0.0; 3]; 3];
    let mut right = [[0.0; 3]; 3];
    for i in 0..3 {
        right[i][i] = 1.0;
        for j in 0..3 {
            let free = !held[i] && !held[j];
            left[i][j] = if free { matrix[i][j] * scale[i] * scale[j] } else { f64::from(i == j) };
        }
    }
    // Gauss and Jordan. The matrix is positive definite, so the diagonal can be the pivots.
    for pivot in 0..3 {
        let by = left[pivot][pivot];
        if by.is_nan() || by <= 1e-14 {
            return None;
        }
        for j in 0..3 {
            left[pivot][j] /= by;
            right[pivot][j] /= by;
        }
        for i in (0..3).filter(|i| *i != pivot) {
            let times = left[i][pivot];
            for j in 0..3 {
                left[i][j] -= times * left[pivot][j];
                right[i][j] -= times * right[pivot][j];
            }
        }
    }
    Some(std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            if held[i] || held[j] { 0.0 } else { right[i][j] * scale[i] * scale[j] }
        })
    }))
}
