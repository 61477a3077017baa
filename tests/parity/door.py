"""Answers the operations of tests/parity with the package: a line of JSON for each line of standard input. The answer is an
object, the code of an error as text, or null for an operation that the package does not have."""

import json
import sys
import time

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
    shown = {"active": True, "scope": said["scope"], "kind": said["token_type"]}
    if "client_id" in said:
        shown["client"] = said["client_id"]
    else:
        shown["user"] = said["username"]
    custom = {name: value for name, value in said.items() if name not in OF_TOKENS}
    return {**shown, "claims": custom} if custom else shown


# What the response of an introspection has besides custom claims.
OF_TOKENS = "active token_type username client_id scope iss sub aud exp iat nbf jti".split()


def verify_for(token, audience):
    claims = gate.verify_token(token, audience)
    return {"user": claims.subject, "scope": scope_of(claims.scopes)}


def admit(user):
    admission = gate.admit(user)
    return {"allowed": admission.allowed, "remaining": admission.remaining}


def decided(admission):
    window = None if admission.window is None else int(admission.window)
    return {
        "allowed": admission.allowed,
        "limit": admission.limit,
        "remaining": admission.remaining,
        "window": window,
    }


def add_api_key(owner, scope=None, ttl=None, requests=None, window=None):
    expires_at = None if ttl is None else int(time.time()) + ttl
    limit = None if requests is None else (requests, window)
    new = gate.add_api_key(owner, scope, expires_at, limit)
    assert new.key.startswith("sg_" + new.id)
    return {"key": new.key, "id": new.id}


def api_keys(owner=None):
    shown = []
    for key in sorted(gate.api_keys(owner), key=lambda key: (key.owner, key.scopes)):
        requests, window = key.limit or (None, None)
        shown.append(
            {
                "owner": key.owner,
                "scope": scope_of(key.scopes),
                "requests": requests,
                "window": window,
                "expires": key.expires_at is not None,
                "revoked": key.revoked_at is not None,
            }
        )
    return {"api_keys": shown}


def clients():
    found = gate.clients()
    return {"clients": [{"id": it.id, "scope": scope_of(it.scopes), "disabled": it.disabled} for it in found]}


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
    shown = {"name": user.name, "scope": scope_of(user.scopes), "disabled": user.disabled}
    return {**shown, "claims": user.claims} if user.claims else shown


def find_user(user):
    found = gate.find_user(user)
    return {"found": None if found is None else user_shown(found)}


def list_sessions(user):
    sessions = gate.list_sessions(user)
    assert all(session.started and session.expires > session.started for session in sessions)
    return {"sessions": [{"id": one.id, "refreshed": one.refreshed is not None} for one in sessions]}


OPERATIONS = {
    "issue_token": lambda user="", scope="", ttl=None, **more: {"token": gate.issue_token(user, scope, ttl, **more)},
    "verify_token": verify_token,
    "verify_token_audience": verify_for,
    "claims_get": lambda token, name: {"value": gate.verify_token(token).get(name)},
    "introspect": introspect,
    "encrypt": lambda data, context="": {"sealed": gate.encrypt(data, context)},
    "decrypt": lambda sealed, context="": {"data": gate.decrypt(sealed, context).decode()},
    "rewrap": lambda sealed, context="": {"sealed": gate.rewrap(sealed, context)},
    "encrypt_url_safe": lambda data, context="": {"sealed": gate.encrypt(data, context, url_safe=True)},
    "decrypt_max_age": lambda sealed, max_age, context="": {
        "data": gate.decrypt(sealed, context, max_age=max_age).decode()
    },
    "sign": lambda data, context="": {"signed": gate.sign(data, context)},
    "unsign": lambda signed, context="", max_age=None: {"data": gate.unsign(signed, context, max_age=max_age).decode()},
    "mask": lambda data, visible: {"masked": gate.mask(data, visible)},
    "admit": admit,
    "admit_policy": lambda user, **more: decided(gate.admit(user, **more)),
    "peek": lambda user, **more: decided(gate.peek(user, **more)),
    "reset_limit": lambda user, policy: {"counted": gate.reset_limit(user, policy)},
    "add_api_key": add_api_key,
    "api_keys": api_keys,
    "admit_api_key": lambda id, key: decided(gate.admit_api_key(id)),
    "revoke_api_key": lambda id: gate.revoke_api_key(id),
    "revoke_api_keys_of": lambda owner: {"revoked": gate.revoke_api_keys_of(owner)},
    "add_client": lambda id, scope: {"secret": gate.add_client(id, scope)},
    "renew_client_secret": lambda id: {"secret": gate.renew_client_secret(id)},
    "clients": clients,
    "set_client_scope": lambda id, scope: gate.set_client_scope(id, scope),
    "disable_client": lambda id: gate.disable_client(id),
    "enable_client": lambda id: gate.enable_client(id),
    "remove_client": lambda id: gate.remove_client(id),
    "client_token": lambda id, secret, scope="": {"token": gate.client_token(id, secret, scope)},
    "public_keys": lambda: {"keys": len(gate.public_keys()["keys"])},
    "list_keys": list_keys,
    "generate_keys": lambda **which: added(gate.generate_keys(**kinds(**which))),
    "rotate_keys": lambda grace=None, **which: added(gate.rotate_keys(grace=grace, **kinds(**which))),
    "retire_keys": lambda ids: changed(gate.retire_keys(*ids.split(" "))),
    "accept_keys": lambda ids, seconds=None: changed(gate.accept_keys(*ids.split(" "), seconds=seconds)),
    "export_keys": lambda passphrase: {"exported": gate.export_keys(passphrase).decode()},
    "import_keys": lambda exported, passphrase: added(gate.import_keys(exported, passphrase)),
    "check_store": lambda: {"store": gate.check_store()},
    "add_user": lambda user, password, scope="", claims=None: gate.add_user(user, password, scope, claims),
    "set_claims": lambda user, claims: gate.set_user_claims(user, claims),
    "user_claims": lambda user: {"claims": gate.user_claims(user)},
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
    arguments.pop("oauth", None)  # chooses a route of HTTP
    answer = None
    if operation in OPERATIONS:
        try:
            answer = OPERATIONS[operation](**arguments) or {}
        except sealgate.SealgateError as error:
            answer = error.code
    print(json.dumps(answer), flush=True)
