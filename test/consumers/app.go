package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// An app around a snippet for Go, compiled with it: 204 where a message is signed by one of $KEYS, else 401.
func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	panic(http.Serve(listener, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		status := http.StatusUnauthorized
		body, err := io.ReadAll(request.Body)
		for _, key := range strings.Fields(os.Getenv("KEYS")) {
			if err == nil && isSigned(key, request.Header, body) {
				status = http.StatusNoContent
			}
		}
		answer.WriteHeader(status)
	})))
}
