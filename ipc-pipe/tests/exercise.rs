//! The exercise at the end of the chapter: a calculator behind a pipe.

use testing::Signal;
use testing::exercise::{Running, example, kill};

#[test]
fn the_solution_answers_even_if_the_calculator_is_killed() {
    check(&["--solution"]);
}

#[test]
#[ignore = "yours: examples/calculator/yours.rs"]
fn the_exercise_is_done() {
    check(&[]);
}

fn check(arguments: &[&str]) {
    let mut calculator = Running::start(&example("calculator"), arguments);
    let first = pid(&calculator.line());
    assert_eq!(answer(&mut calculator, "6 / 2"), "= 3");
    assert_eq!(answer(&mut calculator, "1 / 0"), "? nothing can be divided by 0");
    assert_eq!(answer(&mut calculator, "2 - 5"), "= -3");

    // Killed while nobody asks: the question can't even be sent.
    kill(&first, Signal::KILL);
    calculator.tell("20 + 22");
    let second = pid(&calculator.line());
    assert_ne!(first, second, "a new calculator takes over");
    assert_eq!(calculator.line(), "= 42", "and is asked the question again");

    // Killed with a question in its hands, two of them in a row: the answer never comes.
    calculator.tell("crash 3");
    let [third, fourth] = [(); 2].map(|()| pid(&calculator.line()));
    assert_ne!(third, fourth);
    assert_eq!(calculator.line(), "= 3");
    assert_eq!(answer(&mut calculator, "3 * 4"), "= 12");

    let end = "the calculator ended with exit code 0".to_owned();
    assert_eq!(calculator.end(), (vec![end], Some(0)));
}

fn answer(calculator: &mut Running, question: &str) -> String {
    calculator.tell(question);
    calculator.line()
}

fn pid(line: &str) -> String {
    let pid = line.strip_prefix("the calculator is process ");
    pid.unwrap_or_else(|| panic!("a calculator starts, not this: {line}")).to_owned()
}
