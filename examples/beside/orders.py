"""A Flask application beside Sealgate: users log in at Sealgate, and send its tokens here.

    examples/beside/run                                           both programs, as processes of this machine
    docker compose -f examples/beside/compose.yaml up --build     both programs, in containers

The application checks tokens with the Python package, without a request to the server. It has the server's data directory, so it
finds the same keys, knows at once which tokens are revoked, and can open what the server encrypts.
"""

from flask import Flask
from flask.typing import ResponseReturnValue

import sealgate
from sealgate.flask import Sealgate, current_claims, limit, require_scope

app = Flask(__name__)
Sealgate(app)

# Stands for a database. The card's number is stored encrypted, for this order alone.
ORDERS: "dict[int, tuple[str, str]]" = {}


@app.put("/orders/<int:number>")
@require_scope("encrypt")
@limit()
def put(number: int) -> ResponseReturnValue:
    user = current_claims().subject
    ORDERS[number] = (user, sealgate.default_gate().encrypt("4111 1111 1111 1111", context=f"orders/{number}"))
    return {"order": number, "of": user}, 201


@app.get("/orders/<int:number>")
@require_scope("decrypt")
@limit()
def get(number: int) -> ResponseReturnValue:
    user, card = ORDERS.get(number, ("", ""))
    if user != current_claims().subject:
        return {"error": "There is no such order of yours."}, 404
    opened = sealgate.default_gate().decrypt(card, context=f"orders/{number}").decode()
    return {"order": number, "of": user, "card": sealgate.mask_data(opened, 4)}


@app.get("/healthz")
def healthz() -> ResponseReturnValue:
    return {"status": "ok"}
