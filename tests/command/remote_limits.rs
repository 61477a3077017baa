//! `sealgate --server URL limits`: who is at a limit of a server, which only that server knows.

use serde_json::{Value, json};

use super::administered::{Administered, time};
use crate::common::people::Pair;
use crate::common::text;

#[test]
fn whoever_is_at_a_limit_is_listed_and_reset_on_a_server_alone() {
    let all = Administered::with(&[
        ("MAX_REQUESTS", "2"),
        ("SEALGATE_LIMITS", "exports: 10 per 60"),
        ("SEALGATE_LOGIN_MAX_REQUESTS", "60"),
    ]);
    let alice = Pair::log_in(&all.server, "alice").token;
    let statuses = || [(); 3].map(|()| all.server.get("/secure-data", Some(&alice)).status);
    assert_eq!(statuses(), [200, 200, 429]);
    let at_once = || {
        let read = all.get("limits");
        let listed = all.done(&["limits", "current", "--json"]);
        let table = all.done(&["limits", "current", "--policy", "default"]);
        // The clocks of a server and of its limiter differ by milliseconds, and so by a whole second now and then.
        (read == all.get("limits")).then_some((read, listed, table))
    };
    let (read, listed, table) = std::iter::repeat_with(at_once)
        .take(10)
        .flatten()
        .next()
        .unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let mut expected = read["limited"][0].clone();
    let resets = time(
        &expected
            .as_object_mut()
            .unwrap()
            .remove("reset_at")
            .unwrap(),
    );
    expected["resets"] = resets.clone().into();
    assert_eq!(listed, json!({ "limited": [expected] }));
    assert_eq!(
        table,
        format!(
            "POLICY   KIND  WHO    COUNT  LIMIT  WINDOW  ROOM FROM             REFUSED\n\
             default  user  alice  2      2      60 s    {}  yes\n",
            resets.unwrap()
        )
    );
    for policy in ["exports", "login"] {
        let none = all.typed(&["limits", "current", "--policy", policy]);
        assert_eq!((none.status.code(), &*none.stdout), (Some(0), &b""[..]));
        assert_eq!(text(&none.stderr), "sealgate: Nobody is at a limit.\n");
    }
    let reset = |who: &str| {
        all.done(&[
            "limits", "reset", "--policy", "default", "--kind", "user", who,
        ])
    };
    assert_eq!(
        reset("alice"),
        "Reset the limit default for the user alice.\n"
    );
    assert_eq!(statuses(), [200, 200, 429]);
    let nothing = "Nothing was counted under the limit default for the user al\\u{202e}ice.\n";
    assert_eq!(reset("al\u{202e}ice"), nothing);
    for (arguments, words) in [
        (
            &["limits", "current", "--policy", "export"][..],
            "has no limit export. It has: default, exports, login.",
        ),
        (
            &[
                "limits", "reset", "--policy", "none", "--kind", "user", "alice",
            ],
            "bad_member",
        ),
        (
            &[
                "limits", "reset", "--policy", "login", "--kind", "address", "x",
            ],
            "bad_member",
        ),
        (
            &[
                "limits", "reset", "--policy", "default", "--kind", "group", "x",
            ],
            "user, api-key, address",
        ),
        (&["limits", "reset", "alice"], "--policy"),
        (&["store", "status"], "works on this machine only"),
        (&["audit", "who", "alice"], "without --server"),
    ] {
        let output = all.typed(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(text(&output.stderr).contains(words), "{words}: {output:?}");
    }
    for arguments in [
        &["limits", "current"][..],
        &[
            "limits", "reset", "--policy", "default", "--kind", "user", "alice",
        ],
        &["audit", "tail", "--follow"],
    ] {
        let output = all.local(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(
            text(&output.stderr).contains("sealgate --server URL "),
            "{output:?}"
        );
    }
}
