"""Answers the operations of tests/parity with the package: a line of JSON for each line of standard input. The answer is an
object, the code of an error as text, or null for an operation that the package does not have."""

import json
import sys

import sealgate

gate = sealgate.Gate(json.loads(sys.argv[1]))


def scope_of(names):
    return " ".join(names)


def verify_token(token):
    claims = gate.verify_token(token)
    return {"user": claims.subject, "scope": scope_of(claims.scopes)}


def introspect(token):
    said = gate.introspect(token)
    if not said["active"]:
        return said
    return {"active": True, "user": said["username"], "scope": said["scope"], "kind": said["token_type"]}


def admit(user):
    admission = gate.admit(user)
    return {"allowed": admission.allowed, "remaining": admission.remaining}


def pair(tokens):
    return {"token": tokens.token, "refresh_token": tokens.refresh_token}


def list_keys():
    keys = gate.list_keys()
    shown = [
        {
            "kind": key.kind,
            "newest": key.newest,
            "accepted": key.accepted,
            "next": key.signs_from is not None,
            "messages": key.messages,
        }
        for key in keys
    ]
    return {"keys": shown, "ids": [key.id for key in keys]}


def added(new):
    return {"added": [key.kind for key in new.added], "ids": [key.id for key in new.added]}


def changed(done):
    return {"changed": len(done.changed), "withdrawn": len(done.withdrawn)}


def kinds(token=False, data=False, now=False):
    return {"token": token, "data": data, "now": now}


def user_shown(user):
    return {"name": user.name, "scope": scope_of(user.scopes), "disabled": user.disabled}


def find_user(user):
    found = gate.find_user(user)
    return {"found": None if found is None else user_shown(found)}


def list_sessions(user):
    sessions = gate.list_sessions(user)
    assert all(session.started and session.expires > session.started for session in sessions)
    return {"sessions": [{"id": one.id, "refreshed": one.refreshed is not None} for one in sessions]}


OPERATIONS = {
    "issue_token": lambda user="", scope="", ttl=None: {"token": gate.issue_token(user, scope, ttl)},
    "verify_token": verify_token,
    "introspect": introspect,
    "encrypt": lambda data, context="": {"sealed": gate.encrypt(data, context)},
    "decrypt": lambda sealed, context="": {"data": gate.decrypt(sealed, context).decode()},
    "rewrap": lambda sealed, context="": {"sealed": gate.rewrap(sealed, context)},
    "mask": lambda data, visible: {"masked": gate.mask(data, visible)},
    "admit": admit,
    "public_keys": lambda: {"keys": len(gate.public_keys()["keys"])},
    "list_keys": list_keys,
    "generate_keys": lambda **which: added(gate.generate_keys(**kinds(**which))),
    "rotate_keys": lambda grace=None, **which: added(gate.rotate_keys(grace=grace, **kinds(**which))),
    "retire_keys": lambda ids: changed(gate.retire_keys(*ids.split(" "))),
    "accept_keys": lambda ids, seconds=None: changed(gate.accept_keys(*ids.split(" "), seconds=seconds)),
    "export_keys": lambda passphrase: {"exported": gate.export_keys(passphrase).decode()},
    "import_keys": lambda exported, passphrase: added(gate.import_keys(exported, passphrase)),
    "check_store": lambda: {"store": gate.check_store()},
    "add_user": lambda user, password, scope="": gate.add_user(user, password, scope),
    "list_users": lambda: {"users": [user_shown(user) for user in gate.list_users()]},
    "find_user": find_user,
    "set_password": lambda user, password: gate.set_user_password(user, password),
    "set_scope": lambda user, scope: gate.set_user_scope(user, scope),
    "disable_user": lambda user: gate.disable_user(user),
    "enable_user": lambda user: gate.enable_user(user),
    "unlock_user": lambda user: gate.unlock_user(user),
    "remove_user": lambda user: gate.remove_user(user),
    "check_password": lambda user, password: {"scope": scope_of(gate.check_password(user, password))},
    "log_in": lambda user, password, scope="": pair(gate.log_in(user, password, scope)),
    "refresh": lambda refresh_token, scope="": pair(gate.refresh(refresh_token, scope)),
    "revoke_token": lambda token: gate.revoke_token(token) and None,
    "revoke_token_id": lambda id: gate.revoke_token_id(id),
    "revoke_user": lambda user: gate.revoke_user(user),
    "list_sessions": list_sessions,
    "end_session": lambda id: gate.end_session(id) and None,
    "change_password": lambda user, token, current, new: gate.change_password(user, current, new),
    "back_up": lambda file: sealgate.back_up(file, json.loads(sys.argv[1])) and None,
}

for line in sys.stdin:
    operation, arguments = json.loads(line)
    answer = None
    if operation in OPERATIONS:
        try:
            answer = OPERATIONS[operation](**arguments) or {}
        except sealgate.SealgateError as error:
            answer = error.code
    print(json.dumps(answer), flush=True)
