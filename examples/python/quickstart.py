"""First steps: a token, encrypted data, a masked name.

    pip install ./bindings/python
    python3 examples/python/quickstart.py

Keys come from the environment or from the key ring of `sealgate serve`; what this program makes, the server accepts.
"""

import sealgate

print("sealgate", sealgate.version())

with sealgate.Gate() as gate:
    token = gate.issue_token("alice", scope=["decrypt", "orders"])
    claims = gate.verify_token(token)
    print("the token is", claims.subject + "'s, for", ", ".join(claims.scopes))

    sealed = gate.encrypt("meet me at noon", context="notes/1")
    print("opened:", gate.decrypt(sealed, context="notes/1").decode())

    # Under another context it does not open, and nothing tells why.
    try:
        gate.decrypt(sealed, context="notes/2")
    except sealgate.DecryptFailedError as error:
        print("elsewhere:", error.code)

print("masked:", sealgate.mask_data("my_password"))
