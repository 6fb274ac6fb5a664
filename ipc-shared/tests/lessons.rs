//! The lessons say what the chapter shows.

testing::test_lessons!(
    env!("CARGO_BIN_EXE_ipc-shared");
    one_plus_one,
    a_holder_is_killed,
    never_torn,
    a_table_of_numbers,
    three_at_the_spring,
    all_at_the_start,
    lights_out,
    ask_the_clerk,
);
