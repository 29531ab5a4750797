from vtab_h2t.report import judging
from vtab_h2t.report import toy_claims
from vtab_h2t.toys import tables as toys


def test_toys_agree_with_the_companion_papers():
  table = toy_claims.table(toys.tables())
  assert (table.of == 10).all() and (table.verdict == judging.HOLDS).all()
