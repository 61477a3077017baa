"""Declares the functions of ``sealgate.h`` for ctypes. A test compares every line with the header."""

from __future__ import annotations

from ctypes import (
    CDLL,
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_int32,
    c_int64,
    c_size_t,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any


class Buffer(Structure):
    """``struct sealgate_buffer``: bytes that belong to the library."""

    _fields_ = [("data", c_void_p), ("size", c_size_t), ("secret", c_int32)]


class Admission(Structure):
    """``struct sealgate_admission``: the decision of a limit."""

    _fields_ = [
        ("allowed", c_int32),
        ("limit", c_uint32),
        ("remaining", c_uint32),
        ("reserved", c_uint32),
        ("window_ms", c_uint64),
        ("reset_ms", c_uint64),
    ]


LogCallback = CFUNCTYPE(None, c_int32, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p)
Drop = CFUNCTYPE(None, c_void_p)
RouteCallback = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_void_p)
AuthenticateCallback = CFUNCTYPE(c_int32, c_void_p, c_void_p)
SecureDataCallback = CFUNCTYPE(c_int32, c_void_p, c_void_p)

_HANDLE = c_void_p
_DATA = (c_void_p, c_size_t)  # bytes or text by address and length
_ROOM = (c_void_p, c_size_t)
_OUT = POINTER(c_void_p)  # receives a handle or an address
_SIZE = POINTER(c_size_t)
_BUFFER = c_void_p  # a `sealgate_buffer`; ctypes takes a quarter of a microsecond longer to check its own pointer type
_STATUS = c_int32

SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "sealgate_version_string": (c_char_p, ()),
    "sealgate_version_number": (c_uint32, ()),
    "sealgate_abi_version": (c_uint32, ()),
    "sealgate_has_feature": (c_int32, _DATA),
    "sealgate_status_name": (c_char_p, (c_int32,)),
    "sealgate_last_error": (c_size_t, _ROOM),
    "sealgate_buffer_free": (None, (_BUFFER,)),
    "sealgate_set_log": (_STATUS, (c_int32, LogCallback, c_void_p, Drop)),
    # Configurations and gates
    "sealgate_config_new": (_STATUS, (_OUT,)),
    "sealgate_config_set": (_STATUS, (_HANDLE, *_DATA, *_DATA)),
    "sealgate_config_load_env": (_STATUS, (_HANDLE,)),
    "sealgate_config_load_file": (_STATUS, (_HANDLE, c_void_p)),
    "sealgate_config_free": (None, (_HANDLE,)),
    "sealgate_new": (_STATUS, (_HANDLE, _OUT)),
    "sealgate_free": (None, (_HANDLE,)),
    # Tokens
    "sealgate_issue_token": (_STATUS, (_HANDLE, *_DATA, *_DATA, c_uint32, _BUFFER)),
    "sealgate_issue_token_with": (_STATUS, (_HANDLE, *_DATA, *_DATA, c_uint32, *_DATA, *_DATA, c_uint64, _BUFFER)),
    "sealgate_verify_token": (_STATUS, (_HANDLE, *_DATA, _OUT)),
    "sealgate_verify_token_for": (_STATUS, (_HANDLE, *_DATA, *_DATA, _OUT)),
    "sealgate_claims_subject": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_claims_id": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_claims_scope": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_claims_has_scope": (_STATUS, (_HANDLE, *_DATA, POINTER(c_int32))),
    "sealgate_claims_json": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_claims_get_json": (_STATUS, (_HANDLE, *_DATA, _OUT, _SIZE)),
    "sealgate_claims_get_string": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_claims_get_integer": (_STATUS, (_HANDLE, *_DATA, POINTER(c_int64))),
    "sealgate_claims_get_boolean": (_STATUS, (_HANDLE, *_DATA, POINTER(c_int32))),
    "sealgate_claims_expires_at": (_STATUS, (_HANDLE, POINTER(c_uint64))),
    "sealgate_claims_issued_at": (_STATUS, (_HANDLE, POINTER(c_uint64))),
    "sealgate_claims_free": (None, (_HANDLE,)),
    # Accounts and revocation
    "sealgate_default_scope": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_add_user": (_STATUS, (_HANDLE, *_DATA, *_DATA, *_DATA)),
    "sealgate_add_user_with_claims": (_STATUS, (_HANDLE, *_DATA, *_DATA, *_DATA, *_DATA)),
    "sealgate_set_user_claims": (_STATUS, (_HANDLE, *_DATA, *_DATA)),
    "sealgate_user_claims": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_check_password": (_STATUS, (_HANDLE, *_DATA, *_DATA, *_DATA, _BUFFER, POINTER(c_uint64))),
    "sealgate_log_in": (
        _STATUS,
        (_HANDLE, *_DATA, *_DATA, *_DATA, *_DATA, _BUFFER, _BUFFER, POINTER(c_uint64)),
    ),
    "sealgate_refresh": (_STATUS, (_HANDLE, *_DATA, *_DATA, _BUFFER, _BUFFER)),
    "sealgate_set_user_password": (_STATUS, (_HANDLE, *_DATA, *_DATA)),
    "sealgate_set_user_scope": (_STATUS, (_HANDLE, *_DATA, *_DATA)),
    "sealgate_set_user_disabled": (_STATUS, (_HANDLE, *_DATA, c_int32)),
    "sealgate_remove_user": (_STATUS, (_HANDLE, *_DATA)),
    "sealgate_add_client": (_STATUS, (_HANDLE, *_DATA, *_DATA, _BUFFER)),
    "sealgate_renew_client_secret": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_list_clients": (_STATUS, (_HANDLE, *_DATA, c_uint32, _BUFFER)),
    "sealgate_set_client_scope": (_STATUS, (_HANDLE, *_DATA, *_DATA)),
    "sealgate_set_client_disabled": (_STATUS, (_HANDLE, *_DATA, c_int32)),
    "sealgate_remove_client": (_STATUS, (_HANDLE, *_DATA)),
    "sealgate_client_token": (_STATUS, (_HANDLE, *_DATA, *_DATA, *_DATA, _BUFFER)),
    "sealgate_revoke_token": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_revoke_token_id": (_STATUS, (_HANDLE, *_DATA, c_uint64)),
    "sealgate_revoke_user": (_STATUS, (_HANDLE, *_DATA)),
    "sealgate_list_users": (_STATUS, (_HANDLE, *_DATA, c_uint32, _BUFFER)),
    "sealgate_find_user": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_unlock_user": (_STATUS, (_HANDLE, *_DATA)),
    "sealgate_change_password": (_STATUS, (_HANDLE, *_DATA, *_DATA, *_DATA, *_DATA, POINTER(c_uint64))),
    "sealgate_list_sessions": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_end_session": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_introspect": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_check_store": (_STATUS, (_HANDLE,)),
    # API keys
    "sealgate_add_api_key": (_STATUS, (_HANDLE, *_DATA, *_DATA, c_uint64, c_uint32, c_uint32, _BUFFER, _BUFFER)),
    "sealgate_list_api_keys": (_STATUS, (_HANDLE, *_DATA, *_DATA, c_uint32, _BUFFER)),
    "sealgate_revoke_api_key": (_STATUS, (_HANDLE, *_DATA)),
    "sealgate_revoke_api_keys_of": (_STATUS, (_HANDLE, *_DATA, POINTER(c_uint64))),
    "sealgate_admit_api_key": (_STATUS, (_HANDLE, *_DATA, c_void_p)),
    "sealgate_claims_api_key": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    # Keys and backups
    "sealgate_list_keys": (_STATUS, (_HANDLE, _BUFFER)),
    "sealgate_generate_keys": (_STATUS, (_HANDLE, c_uint32, _BUFFER)),
    "sealgate_rotate_keys": (_STATUS, (_HANDLE, c_uint32, c_uint32, _BUFFER)),
    "sealgate_rotate_old_keys": (_STATUS, (_HANDLE, _BUFFER)),
    "sealgate_retire_keys": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_accept_keys": (_STATUS, (_HANDLE, *_DATA, c_uint32, _BUFFER)),
    "sealgate_seal_keys": (_STATUS, (_HANDLE, _BUFFER)),
    "sealgate_unseal_keys": (_STATUS, (_HANDLE, _BUFFER)),
    "sealgate_export_keys": (_STATUS, (_HANDLE, *_DATA, _BUFFER)),
    "sealgate_import_keys": (_STATUS, (_HANDLE, *_DATA, *_DATA, _BUFFER)),
    "sealgate_reload_keys": (_STATUS, (_HANDLE,)),
    "sealgate_key_trouble": (_STATUS, (_HANDLE, _BUFFER)),
    "sealgate_public_keys": (_STATUS, (_HANDLE, _BUFFER, POINTER(c_uint64))),
    "sealgate_back_up": (_STATUS, (_HANDLE, c_void_p, *_DATA, _BUFFER)),
    "sealgate_restore": (_STATUS, (_HANDLE, c_void_p, *_DATA, c_int32, _BUFFER)),
    # Data, names and limits
    "sealgate_encrypt_data": (_STATUS, (_HANDLE, *_DATA, *_DATA, _BUFFER)),
    "sealgate_decrypt_data": (_STATUS, (_HANDLE, *_DATA, *_DATA, _BUFFER)),
    "sealgate_sealed_size": (c_size_t, (c_size_t,)),
    "sealgate_opened_size": (c_size_t, (c_size_t,)),
    "sealgate_seal_bytes": (_STATUS, (_HANDLE, *_DATA, *_DATA, *_ROOM, _SIZE)),
    "sealgate_open_bytes": (_STATUS, (_HANDLE, *_DATA, *_DATA, *_ROOM, _SIZE)),
    "sealgate_rewrap_data": (_STATUS, (_HANDLE, *_DATA, *_DATA, _BUFFER)),
    "sealgate_encrypt_url_safe": (_STATUS, (_HANDLE, *_DATA, *_DATA, _BUFFER)),
    "sealgate_decrypt_fresh": (_STATUS, (_HANDLE, *_DATA, *_DATA, c_uint64, _BUFFER)),
    "sealgate_sign": (_STATUS, (_HANDLE, *_DATA, *_DATA, _BUFFER)),
    "sealgate_unsign": (_STATUS, (_HANDLE, *_DATA, *_DATA, c_uint64, _BUFFER, POINTER(c_uint64))),
    "sealgate_stream_seal": (_STATUS, (_HANDLE, *_DATA, _OUT)),
    "sealgate_stream_open": (_STATUS, (_HANDLE, *_DATA, _OUT)),
    "sealgate_stream_push_size": (c_size_t, (_HANDLE, c_size_t)),
    "sealgate_stream_push": (_STATUS, (_HANDLE, *_DATA, *_ROOM, _SIZE)),
    "sealgate_stream_finish_size": (c_size_t, (_HANDLE,)),
    "sealgate_stream_finish": (_STATUS, (_HANDLE, *_ROOM, _SIZE)),
    "sealgate_stream_free": (None, (_HANDLE,)),
    "sealgate_mask_data": (_STATUS, (*_DATA, c_size_t, _BUFFER)),
    "sealgate_enforce_rate_limit": (_STATUS, (_HANDLE, *_DATA, POINTER(c_int32), POINTER(c_uint32), POINTER(c_uint64))),
    "sealgate_enforce_limit": (_STATUS, (_HANDLE, *_DATA, *_DATA, c_uint32, c_void_p)),
    "sealgate_peek_limit": (_STATUS, (_HANDLE, *_DATA, *_DATA, c_uint32, c_void_p)),
    "sealgate_reset_limit": (_STATUS, (_HANDLE, *_DATA, *_DATA, POINTER(c_int32))),
    # Servers
    "sealgate_server_new": (_STATUS, (_HANDLE, _HANDLE, _OUT)),
    "sealgate_server_route": (
        _STATUS,
        (_HANDLE, *_DATA, *_DATA, c_uint32, *_DATA, RouteCallback, c_void_p, Drop),
    ),
    "sealgate_server_limit_route": (_STATUS, (_HANDLE, *_DATA, *_DATA, *_DATA, c_uint32)),
    "sealgate_server_set_authenticate": (_STATUS, (_HANDLE, AuthenticateCallback, c_void_p, Drop)),
    "sealgate_server_set_secure_data": (_STATUS, (_HANDLE, SecureDataCallback, c_void_p, Drop)),
    "sealgate_server_start": (_STATUS, (_HANDLE,)),
    "sealgate_server_port": (_STATUS, (_HANDLE, POINTER(c_uint16))),
    "sealgate_server_address": (_STATUS, (_HANDLE, c_size_t, _BUFFER)),
    "sealgate_server_metrics": (_STATUS, (_HANDLE, _BUFFER)),
    "sealgate_server_reload": (_STATUS, (_HANDLE,)),
    "sealgate_server_stop": (_STATUS, (_HANDLE, c_uint32)),
    "sealgate_server_free": (_STATUS, (_HANDLE,)),
    # Arguments of callbacks
    "sealgate_request_method": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_request_path": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_request_query": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_request_header": (_STATUS, (_HANDLE, *_DATA, _OUT, _SIZE)),
    "sealgate_request_parameter": (_STATUS, (_HANDLE, *_DATA, _OUT, _SIZE)),
    "sealgate_request_body": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_request_peer": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_request_client": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_request_id": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_request_trace_id": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_request_span_id": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_request_claims": (_STATUS, (_HANDLE, _OUT)),
    "sealgate_response_set_status": (_STATUS, (_HANDLE, c_uint16)),
    "sealgate_response_set_header": (_STATUS, (_HANDLE, *_DATA, *_DATA)),
    "sealgate_response_set_body": (_STATUS, (_HANDLE, *_DATA)),
    "sealgate_login_username": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_login_password": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_login_client": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_login_request_id": (_STATUS, (_HANDLE, _OUT, _SIZE)),
    "sealgate_login_allow": (_STATUS, (_HANDLE, *_DATA)),
    "sealgate_secure_data_set": (_STATUS, (_HANDLE, *_DATA)),
}


def declare(library: CDLL) -> CDLL:
    """Sets the types of each function. Raises AttributeError if the library lacks one."""
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
