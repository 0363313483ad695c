package policy
import ("testing";"os";"path/filepath")
func TestZZ(t *testing.T){
 dir := os.Getenv("ENMESH_ISTIO_SAMPLES"); names, _ := filesOf(dir); docs:=0
 for _, n := range names { s, err := Load(n); if err != nil { t.Logf("REFUSED %s: %v", filepath.Base(n), err); continue}; docs += len(s.Documents)
  for _, f := range s.Notes() { f.File = filepath.Base(f.File); t.Log(f) } }
 t.Log(len(names), docs)
 s, err := Load(dir); t.Log(s != nil, err)
}
