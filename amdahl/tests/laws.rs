//! The laws and published fits with known answers.

use amdahl::{FitError, fit, laws};

const P: f64 = 25.0 / 31.0;

#[track_caller]
fn is(value: f64, expected: f64, digits: i32) {
    let error = (value - expected).abs();
    assert!(error <= 0.5000001 * 10_f64.powi(-digits), "{value} isn't {expected}");
}

#[test]
fn amdahl() {
    let answers = [(2, 1.675676), (3, 2.162791), (4, 2.530612), (8, 3.397260), (16, 4.099174)];
    for (n, answer) in answers {
        is(laws::amdahl(P, f64::from(n)).unwrap(), answer, 6);
    }
    is(laws::amdahl(P, 2.0).unwrap(), 62.0 / 37.0, 14);
    is(laws::amdahl(P, 4.0).unwrap(), 124.0 / 49.0, 14);
    is(laws::amdahl_limit(P).unwrap(), 31.0 / 6.0, 14);
    is(laws::amdahl_limit(P).unwrap(), 5.166667, 6);
    is(laws::amdahl(0.95, 8.0).unwrap(), 5.925926, 6);
    assert_eq!(laws::amdahl_limit(1.0), Ok(f64::INFINITY));
}

#[test]
fn karp_flatt() {
    is(laws::karp_flatt(5.9259, 8.0).unwrap(), 0.05, 4);
    let measured = [1.82, 2.50, 3.08, 3.57, 4.00, 4.38, 4.71];
    for (n, speedup) in (2..).zip(measured) {
        is(laws::karp_flatt(speedup, f64::from(n)).unwrap(), 0.10, 2);
    }
}

#[test]
fn gustafson() {
    is(laws::gustafson(4.0 / 1023.0, 1024.0).unwrap(), 1020.0, 10);
    is(laws::gustafson(0.03, 10.0).unwrap(), 9.73, 12);
}

#[test]
fn numbers_for_which_a_law_says_nothing_are_errors_that_name_them() {
    let error = laws::amdahl(1.5, 4.0).unwrap_err();
    let text = "p, the parallel fraction, is 1.5: it must be a fraction from 0 to 1";
    assert_eq!(error.to_string(), text);
    for p in [-0.1, 1.1, f64::NAN] {
        assert!(laws::amdahl(p, 2.0).is_err() && laws::amdahl_limit(p).is_err());
        assert!(laws::gustafson(p, 2.0).is_err());
    }
    for n in [0.0, 0.5, -1.0, f64::NAN, f64::INFINITY] {
        assert!(laws::amdahl(0.5, n).is_err() && laws::gustafson(0.5, n).is_err());
        assert!(laws::karp_flatt(1.0, n).is_err() && laws::efficiency(1.0, n).is_err());
    }
    assert!(laws::karp_flatt(1.0, 1.0).is_err() && laws::karp_flatt(0.0, 2.0).is_err());
}

const SPECSDM91: [(f64, f64); 7] = [
    (1.0, 64.9),
    (18.0, 995.9),
    (36.0, 1652.4),
    (72.0, 1853.2),
    (108.0, 1828.9),
    (144.0, 1775.0),
    (216.0, 1702.2),
];

#[test]
fn the_fit_of_specsdm91() {
    let found = fit(&SPECSDM91).unwrap();
    is(found.law.alpha, 0.02773, 5);
    is(found.law.beta, 1.044e-4, 7);
    is(found.law.gamma, 90.00, 2);
    let peak = found.law.peak().unwrap();
    is(peak, 96.52, 2);
    is(found.law.throughput(peak), 1884.0, 0);
    let fitted = [90.0, 1078.0, 1541.0, 1850.0, 1879.0, 1822.0, 1646.0];
    found.fitted.iter().zip(fitted).for_each(|(x, expected)| is(*x, expected, 0));
}

#[test]
fn the_fit_of_the_raytracer() {
    let points =
        [(1.0, 20.0), (4.0, 78.0), (8.0, 130.0), (12.0, 170.0), (16.0, 190.0), (20.0, 200.0)];
    let found = fit(&points).unwrap();
    is(found.law.alpha, 0.02444, 5);
    is(found.law.beta, 0.00163, 5);
    is(found.law.gamma, 20.856, 3);
}

#[test]
fn the_fit_of_made_up_points() {
    let points =
        [(1.0, 1.0), (2.0, 1.8868), (4.0, 3.0769), (6.0, 3.5294), (8.0, 3.5398), (10.0, 3.3557)];
    let found = fit(&points).unwrap();
    is(found.law.alpha, 0.02, 4);
    is(found.law.beta, 0.02, 4);
    is(found.law.gamma, 1.0, 4);
    assert!(found.errors.iter().all(|error| error.unwrap() < 1e-4), "{:?}", found.errors);
}

#[test]
fn points_that_grow_without_end_have_no_peak_and_no_error_of_what_is_at_its_bound() {
    let points: Vec<(f64, f64)> = (1..=8).map(|n| (f64::from(n), 5.0 * f64::from(n))).collect();
    let found = fit(&points).unwrap();
    assert_eq!((found.law.alpha, found.law.beta, found.law.peak()), (0.0, 0.0, None));
    is(found.law.gamma, 5.0, 9);
    // Superlinear: α and β would be negative.
    let points: Vec<(f64, f64)> = (1..=8).map(|n| (f64::from(n), f64::from(n * n))).collect();
    let found = fit(&points).unwrap();
    assert_eq!((found.law.alpha, found.law.beta), (0.0, 0.0));
    assert!(matches!(found.errors, [None, None, Some(_)]));
}

#[test]
fn littles_law_holds_for_the_fit() {
    // N = X·R: n workers with a throughput of X each take R = (1 + α(n − 1) + βn(n − 1)) / γ for a
    // result.
    let law = fit(&SPECSDM91).unwrap().law;
    for n in [1.0, 7.0, 96.0, 500.0] {
        let time = (1.0 + law.alpha * (n - 1.0) + law.beta * n * (n - 1.0)) / law.gamma;
        is(law.throughput(n) * time, n, 9);
    }
}

#[test]
fn too_few_points_or_points_that_cannot_be_are_refused() {
    assert_eq!(fit(&SPECSDM91[..5]), Err(FitError::TooFew { points: 5 }));
    assert_eq!(fit(&[(1.0, 1.0); 9]), Err(FitError::TooAlike { different: 1 }));
    let bad_n = [0.0, f64::NAN, 1e200].map(|n| (n, 1.0));
    let bad_throughput = [0.0, -1.0, f64::INFINITY].map(|throughput| (1.0, throughput));
    for bad in bad_n.into_iter().chain(bad_throughput) {
        let mut points = SPECSDM91;
        points[3] = bad;
        assert!(matches!(fit(&points), Err(FitError::Point { place: 3, .. })), "{bad:?}");
    }
}
