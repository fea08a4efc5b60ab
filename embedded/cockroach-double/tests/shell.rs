//! `sql`: what the command line executes, and what it prints.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by it"
)]

mod support;

use std::process::Output;

use support::{Cluster, said};

/// The exit code, and what was printed to the standard output and to the other one.
fn told(output: &Output) -> (i32, String, String) {
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout.clone()).unwrap(),
        String::from_utf8(output.stderr.clone()).unwrap(),
    )
}

#[test]
fn statements_come_from_execute_or_from_the_standard_input() {
    let cluster = Cluster::ready(&["region=us,zone=a"]);
    input_is_executed_line_by_line(&cluster);
    the_first_failure_ends_it(&cluster);
    csv_is_what_a_reader_of_csv_understands(&cluster);
}

fn input_is_executed_line_by_line(cluster: &Cluster) {
    let script = "\
-- A script as people write it.
CREATE TABLE kept (id INT PRIMARY KEY, words STRING);
INSERT INTO kept VALUES
  (1, 'one; still one'),
  (2, 'two');
SET application_name = 'script'; SHOW application_name;
BEGIN;
UPDATE kept SET words = 'zwei' WHERE id = 2;
COMMIT;
SELECT * FROM kept ORDER BY id;
";
    let (code, printed, complaints) = told(&cluster.sql(0, &["--format=csv"], script));
    assert_eq!(
        printed,
        "CREATE TABLE\nINSERT 0 2\nSET\napplication_name\nscript\nBEGIN\nUPDATE 1\nCOMMIT\nid,words\n1,one; still one\n2,zwei\n"
    );
    assert_eq!((code, complaints.as_str()), (0, ""));

    let nothing = cluster.sql(0, &[], "");
    assert_eq!(told(&nothing), (0, String::new(), String::new()));
    let executed = cluster.sql(0, &["-e", "SELECT 1 AS one"], "SELECT 2;");
    assert_eq!(told(&executed).1, "one\n1\n");
}

fn the_first_failure_ends_it(cluster: &Cluster) {
    let script = "SELECT 1 AS one;\nALTER DATABASE defaultdb ADD REGION us;\nSELECT 2;\n";
    let piped = cluster.sql(0, &["--format=csv"], script);
    let executed = cluster.command(
        0,
        &[
            "sql",
            "--format=csv",
            "-e",
            "SELECT 1 AS one",
            "-e",
            "ALTER DATABASE defaultdb ADD REGION us",
            "-e",
            "SELECT 2",
        ],
    );
    for output in [piped, executed] {
        let (code, printed, complaints) = told(&output);
        assert_eq!((code, printed.as_str()), (1, "one\n1\n"));
        for line in [
            "ERROR: cannot add region \"us\" to database defaultdb",
            "SQLSTATE: 42P12",
            "HINT: you must add a PRIMARY REGION first using ",
            "Failed running \"sql\"",
        ] {
            let found = complaints.lines().any(|said| said.starts_with(line));
            assert!(found, "{line}: {complaints}");
        }
    }
    // Of statements on one line, too, what came before the failure is printed.
    let (code, printed, complaints) = told(&cluster.sql(0, &[], "SET timezone = 'UTC'; SELEC;\n"));
    assert_eq!((code, printed.as_str()), (1, ""));
    assert!(complaints.contains("SQLSTATE: 42601"), "{complaints}");
    let (code, printed, _) = told(&cluster.sql(0, &[], "SET timezone = 'UTC'; USE nowhere;\n"));
    assert_eq!((code, printed.as_str()), (1, "SET\n"));

    let open = cluster.sql(0, &[], "CREATE DATABASE unfinished");
    assert_eq!(open.status.code(), Some(1));
    assert!(
        said(&open).contains("missing semicolon at end of statement"),
        "{}",
        said(&open)
    );
    let databases = cluster.sql(0, &["--format=csv"], "SHOW DATABASES;\n");
    assert!(
        !said(&databases).contains("unfinished"),
        "a statement without its end was executed"
    );
}

fn csv_is_what_a_reader_of_csv_understands(cluster: &Cluster) {
    let script = "CREATE DATABASE d PRIMARY REGION us;\n\
                  SHOW REGIONS FROM DATABASE d;\n\
                  SELECT 'a,b' AS comma, 'say \"hi\"' AS quotes, 'two\nlines' AS lines, NULL AS none;\n\
                  SELECT replica_localities FROM [SHOW CLUSTER RANGES] LIMIT 1;\n";
    let (code, printed, complaints) = told(&cluster.sql(0, &["--format=csv"], script));
    assert_eq!(code, 0, "{complaints}");
    assert_eq!(
        printed,
        "CREATE DATABASE\n\
         database,region,primary,secondary,zones\n\
         d,us,t,f,{a}\n\
         comma,quotes,lines,none\n\
         \"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",NULL\n\
         replica_localities\n\
         \"{\"\"region=us,zone=a\"\"}\"\n"
    );
}
