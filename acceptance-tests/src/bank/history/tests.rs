//! What is known of the checker: what it must refuse, and what it must accept.

use proptest::prelude::*;

use super::*;
use crate::dice::Dice;

/// How it ended, and what it did.
type Ended = (&'static str, Vec<Micro>);

fn append(key: i64, element: i64) -> Micro {
    Micro::Append { key, element }
}

fn read(key: i64, elements: &[i64]) -> Micro {
    let elements = Some(elements.to_vec());
    Micro::Read { key, elements }
}

/// Without what was read, as a client knows it when it begins.
fn asked(micros: &[Micro]) -> Vec<Micro> {
    let unknown = |micro: &Micro| match micro {
        Micro::Read { key, .. } => Micro::Read {
            key: *key,
            elements: None,
        },
        append @ Micro::Append { .. } => append.clone(),
    };
    micros.iter().map(unknown).collect()
}

/// All of them at once: nothing but what they saw tells their order.
fn at_once(history: &History, transactions: &[Ended]) {
    let processes: Vec<u64> = transactions.iter().map(|_| history.process()).collect();
    for (process, (_, micros)) in processes.iter().zip(transactions) {
        history.invoke(*process, &asked(micros));
    }
    for (process, (kind, micros)) in processes.iter().zip(transactions) {
        match *kind {
            OK => history.ok(*process, micros),
            FAIL => history.fail(*process, &asked(micros)),
            _ => history.info(*process, &asked(micros)),
        }
    }
}

/// Anomalies by name, on lists from this key on.
fn anomalies(k: i64) -> Vec<(&'static str, Vec<Ended>)> {
    let (x, y) = (k, k + 1);
    vec![
        (
            "lost update: both read the list empty and append, and one is not there",
            vec![
                (OK, vec![read(x, &[]), append(x, 1)]),
                (OK, vec![read(x, &[]), append(x, 2)]),
                (OK, vec![read(x, &[2])]),
            ],
        ),
        (
            "lost update: the same, and both are there",
            vec![
                (OK, vec![read(x, &[]), append(x, 1)]),
                (OK, vec![read(x, &[]), append(x, 2)]),
                (OK, vec![read(x, &[1, 2])]),
            ],
        ),
        (
            "write skew: each reads what the other appends to",
            vec![
                (OK, vec![read(x, &[]), read(y, &[]), append(x, 1)]),
                (OK, vec![read(x, &[]), read(y, &[]), append(y, 1)]),
            ],
        ),
        (
            "dirty read: what was rolled back is seen",
            vec![(FAIL, vec![append(x, 1)]), (OK, vec![read(x, &[1])])],
        ),
        (
            "dirty read: what was not final is seen",
            vec![
                (OK, vec![append(x, 1), append(x, 2)]),
                (OK, vec![read(x, &[1])]),
                (OK, vec![read(x, &[1, 2])]),
            ],
        ),
        (
            "fractured read: half of a transaction is seen",
            vec![
                (OK, vec![append(x, 1), append(y, 1)]),
                (OK, vec![read(x, &[1]), read(y, &[])]),
            ],
        ),
        (
            "fractured read: half of one without an answer is seen",
            vec![
                (INFO, vec![append(x, 1), append(y, 1)]),
                (OK, vec![read(x, &[1]), read(y, &[])]),
                (OK, vec![read(y, &[1])]),
            ],
        ),
        (
            "long fork: two readers see two appends in different orders",
            vec![
                (OK, vec![append(x, 1)]),
                (OK, vec![append(y, 1)]),
                (OK, vec![read(x, &[1]), read(y, &[])]),
                (OK, vec![read(x, &[]), read(y, &[1])]),
            ],
        ),
        (
            "write cycle: two transactions overwrite each other",
            vec![
                (OK, vec![append(x, 1), append(y, 1)]),
                (OK, vec![append(x, 2), append(y, 2)]),
                (OK, vec![read(x, &[1, 2]), read(y, &[2, 1])]),
            ],
        ),
        (
            "circular information flow: each sees the other",
            vec![
                (OK, vec![append(x, 1), read(y, &[1])]),
                (OK, vec![append(y, 1), read(x, &[1])]),
            ],
        ),
        (
            "split brain: neither list begins the other",
            vec![
                (OK, vec![append(x, 1)]),
                (OK, vec![append(x, 2)]),
                (OK, vec![read(x, &[1])]),
                (OK, vec![read(x, &[2])]),
            ],
        ),
        (
            "a number that nobody appended",
            vec![(OK, vec![append(x, 1)]), (OK, vec![read(x, &[1, 3])])],
        ),
        (
            "an append that came twice",
            vec![
                (OK, vec![append(x, 1)]),
                (OK, vec![read(x, &[1, 1])]),
                (OK, vec![append(y, 1)]),
                (OK, vec![read(y, &[1])]),
            ],
        ),
        (
            "a transaction that does not see its own append",
            vec![
                (OK, vec![append(x, 1), read(x, &[])]),
                (OK, vec![read(x, &[1])]),
            ],
        ),
    ]
}

#[test]
fn each_anomaly_is_refused() {
    for (name, transactions) in anomalies(0) {
        let history = History::default();
        at_once(&history, &transactions);
        let refused = history.check();
        assert!(refused.is_err(), "{name}: {refused:?}");
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("not serializable"),
            "{name}"
        );
    }
}

#[test]
fn what_looks_odd_but_has_a_serial_order_is_accepted() {
    let cases = [
        (
            "a read of the past",
            vec![
                (OK, vec![append(0, 1)]),
                (OK, vec![append(0, 2)]),
                (OK, vec![read(0, &[1, 2])]),
                (OK, vec![read(0, &[1])]),
                (OK, vec![read(0, &[])]),
            ],
        ),
        (
            "an append without an answer that is there",
            vec![(INFO, vec![append(0, 1)]), (OK, vec![read(0, &[1])])],
        ),
        (
            "an append without an answer that is not there",
            vec![
                (INFO, vec![append(0, 1)]),
                (OK, vec![append(0, 2)]),
                (OK, vec![read(0, &[2])]),
            ],
        ),
    ];
    for (name, transactions) in cases {
        let history = History::default();
        at_once(&history, &transactions);
        history
            .check()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn a_read_that_is_late_by_the_clock_is_told_but_not_refused() {
    let history = History::default();
    for micros in [vec![append(0, 1)], vec![read(0, &[])], vec![read(0, &[1])]] {
        at_once(&history, &[(OK, micros)]);
    }
    assert!(!history.check().unwrap().strictly);
}

#[test]
fn a_history_that_says_nothing_is_not_taken_for_a_good_one() {
    assert!(History::default().check().is_err());
}

#[test]
fn an_acknowledged_append_that_is_gone_is_seen() {
    let history = History::default();
    let last = [(OK, vec![append(0, 1)]), (INFO, vec![append(0, 2)])];
    at_once(&history, &last);
    let lists = |elements: &[i64]| BTreeMap::from([(0, elements.to_vec())]);
    history.expect_all_in(&lists(&[1])).unwrap();
    let missing = history.expect_all_in(&lists(&[2])).unwrap_err();
    assert!(missing.to_string().contains("[(0, 1)]"), "{missing}");
    assert!(history.expect_all_in(&BTreeMap::new()).is_err());
}

#[test]
fn lines_are_those_of_elle() {
    let history = History::default();
    at_once(&history, &[(OK, vec![append(3, 7), read(3, &[7])])]);
    let lines = history.lines();
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        events,
        [
            json!({"index": 0, "type": "invoke", "f": "txn", "process": 0, "value": [["append", 3, 7], ["r", 3, null]]}),
            json!({"index": 1, "type": "ok", "f": "txn", "process": 0, "value": [["append", 3, 7], ["r", 3, [7]]]}),
        ]
    );
}

/// Transactions carried out one after the other by a database of one line, recorded in groups of which nobody
/// can tell the order by the clock. Some fail, and some get no answer.
fn serial(dice: &mut Dice, count: usize) -> Vec<Vec<Ended>> {
    let mut lists: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut next = 0;
    let mut groups = vec![Vec::new()];
    for _ in 0..count {
        let kind = match dice.roll(10) {
            0 => FAIL,
            1 => INFO,
            _ => OK,
        };
        // One without an answer is there or not.
        let there = kind == OK || kind == INFO && dice.roll(2) == 0;
        let mut after = lists.clone();
        let mut micros = Vec::new();
        for _ in 0..=dice.roll(4) {
            let key = dice.roll(4).cast_signed();
            let list = after.entry(key).or_default();
            if dice.roll(2) == 0 {
                next += 1;
                list.push(next);
                micros.push(append(key, next));
            } else {
                micros.push(read(key, list));
            }
        }
        if there {
            lists = after;
        }
        let group: &mut Vec<_> = groups.last_mut().unwrap();
        group.push((kind, micros));
        if dice.roll(3) == 0 {
            dice.shuffle(group);
            groups.push(Vec::new());
        }
    }
    groups
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn serial_histories_are_accepted(seed: u64, count in 20_usize..200) {
        let history = History::default();
        // Something to be seen, whatever the dice say.
        at_once(&history, &[(OK, vec![append(-1, 0)]), (OK, vec![read(-1, &[0])])]);
        for group in serial(&mut Dice::new(seed), count) {
            at_once(&history, &group);
        }
        prop_assert!(history.check().is_ok(), "{}", history.check().unwrap_err());
    }

    #[test]
    fn an_anomaly_is_found_among_many_that_are_none(seed: u64, which in 0..anomalies(0).len()) {
        let mut dice = Dice::new(seed);
        let mut groups = serial(&mut dice, 150);
        let (name, anomaly) = anomalies(1_000).swap_remove(which);
        for transaction in anomaly {
            // Anywhere, because the clock plays no part.
            let place = usize::try_from(dice.roll(groups.len() as u64)).unwrap();
            groups[place].push(transaction);
        }
        let history = History::default();
        for group in groups {
            at_once(&history, &group);
        }
        prop_assert!(history.check().is_err(), "{name}");
    }
}
