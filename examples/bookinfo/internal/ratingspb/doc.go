// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package ratingspb is the gRPC form of bookinfo's ratings, generated from
// ratings.proto by protoc 3.21.12 (Debian's protobuf-compiler), protoc-gen-go
// v1.36.12 and protoc-gen-go-grpc v1.6.2. The plug-ins come from the module proxy:
//
//	go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
//	go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
package ratingspb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative ratings.proto
