package main

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type message struct {
	Secrets   []string
	Id        string
	Timestamp int64
	Body      string
}

// Signs messages with Go's own HMAC and ed25519. Standard input: a JSON list of {secrets, id, timestamp, body}.
// Standard output: the webhook-signature header of each, as a JSON list.
func main() {
	var messages []message
	if err := json.NewDecoder(os.Stdin).Decode(&messages); err != nil {
		panic(err)
	}
	signed := []string{}
	for _, one := range messages {
		content := []byte(fmt.Sprintf("%s.%d.%s", one.Id, one.Timestamp, one.Body))
		signatures := []string{}
		for _, secret := range one.Secrets {
			prefix, encoded, _ := strings.Cut(secret, "_")
			key, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				panic(err)
			}
			if prefix == "whsec" {
				mac := hmac.New(sha256.New, key)
				mac.Write(content)
				signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
			} else {
				private := ed25519.NewKeyFromSeed(key[:ed25519.SeedSize])
				signatures = append(signatures, "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(private, content)))
			}
		}
		signed = append(signed, strings.Join(signatures, " "))
	}
	json.NewEncoder(os.Stdout).Encode(signed)
}
