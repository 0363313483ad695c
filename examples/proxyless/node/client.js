// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0
//
// client.js [CALLS] calls the service of this example, and knows nothing of enmesh: a plain
// program on grpc-js that dials xds:///greeter. Its agent is named by the file that
// GRPC_XDS_BOOTSTRAP names. It prints how its calls ended, as ../client does.
'use strict';
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const xds = require('@grpc/grpc-js-xds');

xds.register(); // the scheme xds

const definition = protoLoader.loadSync(path.join(__dirname, '..', 'greeter.proto'));
const {hello} = grpc.loadPackageDefinition(definition);

// call says who greeted, or why nobody did.
function call(client) {
  return new Promise((resolve) => {
    client.greet({value: 'world'}, {deadline: Date.now() + 20000}, (err, answer) => {
      resolve(err ? codeName(err.code) : answer.value.split(', says ')[1]);
    });
  });
}

// codeName is a code as Go writes it: PermissionDenied for PERMISSION_DENIED.
function codeName(code) {
  return grpc.status[code].toLowerCase().replace(/(^|_)./g, (s) => s.slice(-1).toUpperCase());
}

async function main() {
  const n = Number(process.argv[2] || 10);
  // Credentials of xDS do what the agent says, and these where it says nothing.
  const creds = new xds.XdsChannelCredentials(grpc.credentials.createInsecure());
  const client = new hello.Greeter('xds:///greeter', creds);
  const ends = {};
  for (let i = 0; i < n; i++) {
    const end = await call(client);
    ends[end] = (ends[end] || 0) + 1;
  }
  console.log(n + ' calls' + Object.keys(ends).sort().map((end) => `, ${ends[end]} ${end}`).join(''));
  process.exit(0); // the client of xDS would go on
}

main();
