use super::*;

fn key(kind: Kind, site: u32) -> Key {
    Key {
        kind,
        kernel: 1,
        site,
        other: None,
        place: 0,
    }
}

#[test]
fn the_first_of_a_key_is_kept_and_the_others_counted() {
    let reports = Reports::new(10);
    assert!(reports.is_empty());
    for _ in 0..1_000 {
        reports.note(key(Kind::Divergence, 2), || {
            report(Kind::Divergence, "first", party(None, None))
        });
        reports.note(key(Kind::Arithmetic, 2), || {
            report(Kind::Arithmetic, "second", party(None, None))
        });
        let mut elsewhere = key(Kind::Divergence, 2);
        elsewhere.other = Some((1, 2));
        reports.note(elsewhere, || {
            report(Kind::Divergence, "third", party(None, None))
        });
    }
    let list = reports.list();
    let shown: Vec<_> = list
        .iter()
        .map(|report| (report.message.as_str(), report.count))
        .collect();
    assert_eq!(
        shown,
        [("first", 1_000), ("second", 1_000), ("third", 1_000)]
    );
    assert_eq!(
        (reports.len(), reports.total(), reports.dropped()),
        (3, 3_000, 0)
    );
    assert_eq!(reports.take(), list);
    assert!(reports.is_empty());
    reports.note(key(Kind::Divergence, 2), race);
    assert_eq!(reports.list()[0].count, 1);
}

#[test]
fn beyond_the_cap_faults_are_only_counted() {
    let reports = Reports::new(2);
    for round in 0..3 {
        for site in 0..5 {
            reports.note(key(Kind::Arithmetic, site), || {
                assert!(round == 0 && site < 2, "described in vain");
                race()
            });
        }
    }
    assert_eq!(
        (reports.len(), reports.dropped(), reports.total()),
        (2, 9, 15)
    );
    let none = Reports::new(0);
    none.note(key(Kind::Arithmetic, 0), || unreachable!());
    assert!(none.list().is_empty() && !none.is_empty());
}

#[test]
fn threads_lose_nothing() {
    let reports = Arc::new(Reports::new(7));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let reports = Arc::clone(&reports);
            std::thread::spawn(move || {
                for at in 0..10_000 {
                    reports.note(key(Kind::Arithmetic, at % 10), race);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(reports.total(), 40_000);
    assert_eq!((reports.len(), reports.dropped()), (7, 12_000));
    assert!(reports.list().iter().all(|report| report.count == 4_000));
}
