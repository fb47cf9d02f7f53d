use super::Advance;
use crate::dtype::DType;
use crate::reference::on_devices;

#[test]
fn ids_become_tokens_and_positions_move_on() {
    on_devices(|bench| {
        let advance = Advance::new(&bench.device).unwrap();
        let (ids, tokens) = (bench.u32(&[3], &[7, 8, 9]), bench.u32(&[3], &[1, 2, 3]));
        let positions = bench.u32(&[3], &[0, 41, u32::MAX]);
        bench
            .run(|encoder| advance.encode(encoder, &ids, &tokens, &positions))
            .unwrap();
        assert_eq!(bench.read::<u32>(&tokens), [7, 8, 9]);
        assert_eq!(bench.read::<u32>(&positions), [1, 42, u32::MAX]);

        let short = bench.zeros(DType::U32, &[2]);
        bench.refuses(
            |e| advance.encode(e, &ids, &short, &positions),
            "tokens is U32 [2]",
        );
        bench.refuses(
            |e| advance.encode(e, &ids, &tokens, &short),
            "positions is U32 [2]",
        );
        bench.refuses(|e| advance.encode(e, &ids, &ids, &positions), "overlap");
    });
}
