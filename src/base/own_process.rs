//! Tests that need a process of their own, because they change or measure what belongs to the whole process. Test programs
//! include this file.

/// Runs one test of this program in another process, even if it is ignored here. Returns what it wrote to standard error.
///
/// # Panics
/// If there is no such test, or it fails.
pub(crate) fn run_alone(test: &str) -> String {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        printed.contains("1 passed") && output.status.success(),
        "{printed}{said}"
    );
    said
}
