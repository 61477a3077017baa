"""Logs in, seals and opens with the client that was generated from openapi.json. usage: use_client.py URL"""

import sys

from sealgate_client import AuthenticatedClient, Client
from sealgate_client.api.data import decrypt, encrypt
from sealgate_client.api.tokens import log_in
from sealgate_client.models import (
    DecryptData,
    DecryptedText,
    EncryptBatch,
    EncryptedBatch,
    EncryptedData,
    EncryptText,
    Login,
    Problem,
    Tokens,
)

url = sys.argv[1]
anybody = Client(base_url=url)
wrong = log_in.sync(client=anybody, body=Login(username="alice", password="a wrong password"))
assert isinstance(wrong, Problem) and wrong.status == 401, wrong
tokens = log_in.sync(client=anybody, body=Login(username="alice", password="a quiet harbour"))
assert isinstance(tokens, Tokens), tokens

client = AuthenticatedClient(base_url=url, token=tokens.token)
sealed = encrypt.sync(client=client, body=EncryptText(data="meet me at noon", context="notes/1"))
assert isinstance(sealed, EncryptedData), sealed
opened = decrypt.sync(client=client, body=DecryptData(encrypted_data=sealed.encrypted_data, context="notes/1"))
assert isinstance(opened, DecryptedText), opened
print(opened.decrypted_data)

refused = decrypt.sync(client=client, body=DecryptData(encrypted_data=sealed.encrypted_data, context="notes/2"))
assert isinstance(refused, Problem), refused
print(refused.type_)
batch = encrypt.sync(client=client, body=EncryptBatch(items=[EncryptText(data="one"), EncryptText(data="two")]))
assert isinstance(batch, EncryptedBatch) and len(batch.items) == 2, batch
stranger = AuthenticatedClient(base_url=url, token="a.b.c")
unknown = encrypt.sync(client=stranger, body=EncryptText(data="x"))
assert isinstance(unknown, Problem), unknown
print(unknown.type_)
