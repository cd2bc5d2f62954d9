/**
 * A certificate for tests of TLS on this machine: for localhost and 127.0.0.1, signed by itself, valid from 2020 to 2119.
 *
 * Node makes no certificates. Nothing outside of the tests trusts this one, so its key is no secret.
 */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBXzCCAQWgAwIBAgIBATAKBggqhkjOPQQDAjAeMRwwGgYDVQQDDBNhaW8tdGFz
ay1wb29sIHRlc3RzMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAe
MRwwGgYDVQQDDBNhaW8tdGFzay1wb29sIHRlc3RzMFkwEwYHKoZIzj0CAQYIKoZI
zj0DAQcDQgAEV277tkBfwpoSQykD0LeF1tD1E5jrtFJYzdPGeeh0Jzmu5UKh2QOf
mBrvXdu2lx5LOOrgt0mO6/l4JmhruYVJ6qMyMDAwGgYDVR0RBBMwEYIJbG9jYWxo
b3N0hwR/AAABMBIGA1UdEwEB/wQIMAYBAf8CAQAwCgYIKoZIzj0EAwIDSAAwRQIg
SVfE3G6TJ97K8cq8sYHtZqY9Eoz+lg37BtNl6vYnbNECIQDvWVEIxfAdjHdRXhfG
s7bg5j3ET1ps4t8JahL2L7wPfg==
-----END CERTIFICATE-----
`

export const privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIH48jFnkT4o/2E/6
fFwwCzJ86d1SJFTKOOWiI4fxrcahRANCAARXbvu2QF/CmhJDKQPQt4XW0PUTmOu0
UljN08Z56HQnOa7lQqHZA5+YGu9d27aXHks46uC3SY7r+XgmaGu5hUnq
-----END PRIVATE KEY-----
`
