//! The lessons say what the chapter shows.

testing::test_lessons!(
    env!("CARGO_BIN_EXE_amdahl");
    build_a_house,
    make_tea,
    fourier_transform,
    amdahls_law,
    how_many_workers,
);
