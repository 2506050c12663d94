//! Clearing the vector registers.
//!
//! Their content after work on a key gets into memory later: the loader stores all registers when it binds a function,
//! and the system when it delivers a signal.

/// Fills every vector register with zeros.
pub(crate) fn clear() {
    #[cfg(target_arch = "x86_64")]
    x86::clear();
    #[cfg(target_arch = "aarch64")]
    arm::clear();
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;

    pub(super) fn clear() {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the instructions.
            unsafe { clear_upper() };
        }
        if is_x86_feature_detected!("avx") {
            // SAFETY: as above.
            unsafe { clear_avx() };
        } else {
            clear_sse();
        }
    }

    /// Registers 16 to 31.
    #[target_feature(enable = "avx512f")]
    fn clear_upper() {
        // SAFETY: registers alone, each declared.
        unsafe {
            asm!(
                "vpxorq zmm16, zmm16, zmm16", "vpxorq zmm17, zmm17, zmm17", "vpxorq zmm18, zmm18, zmm18",
                "vpxorq zmm19, zmm19, zmm19", "vpxorq zmm20, zmm20, zmm20", "vpxorq zmm21, zmm21, zmm21",
                "vpxorq zmm22, zmm22, zmm22", "vpxorq zmm23, zmm23, zmm23", "vpxorq zmm24, zmm24, zmm24",
                "vpxorq zmm25, zmm25, zmm25", "vpxorq zmm26, zmm26, zmm26", "vpxorq zmm27, zmm27, zmm27",
                "vpxorq zmm28, zmm28, zmm28", "vpxorq zmm29, zmm29, zmm29", "vpxorq zmm30, zmm30, zmm30",
                "vpxorq zmm31, zmm31, zmm31",
                out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _,
                out("zmm22") _, out("zmm23") _, out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _,
                out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }

    /// Registers 0 to 15, in whatever width the processor has.
    #[target_feature(enable = "avx")]
    fn clear_avx() {
        // SAFETY: registers alone, each declared.
        unsafe {
            asm!(
                "vzeroall",
                out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _,
                out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
                out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }

    /// Registers 0 to 15 of a processor that has no wider ones.
    fn clear_sse() {
        // SAFETY: registers alone, each declared; every x86-64 processor has the instruction.
        unsafe {
            asm!(
                "pxor xmm0, xmm0", "pxor xmm1, xmm1", "pxor xmm2, xmm2", "pxor xmm3, xmm3", "pxor xmm4, xmm4",
                "pxor xmm5, xmm5", "pxor xmm6, xmm6", "pxor xmm7, xmm7", "pxor xmm8, xmm8", "pxor xmm9, xmm9",
                "pxor xmm10, xmm10", "pxor xmm11, xmm11", "pxor xmm12, xmm12", "pxor xmm13, xmm13",
                "pxor xmm14, xmm14", "pxor xmm15, xmm15",
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The content of registers 1 and 14.
        fn look() -> [u64; 4] {
            let mut found = [1; 4];
            // SAFETY: it stores the registers into the array.
            unsafe {
                asm!("movdqu [{0}], xmm1", "movdqu [{0} + 16], xmm14", in(reg) found.as_mut_ptr());
            }
            found
        }

        #[test]
        fn every_way_clears() {
            for way in [clear as fn(), clear_sse] {
                // SAFETY: registers alone, each declared.
                unsafe {
                    asm!("pcmpeqd xmm1, xmm1", "pcmpeqd xmm14, xmm14", out("xmm1") _, out("xmm14") _);
                }
                way();
                assert_eq!(look(), [0; 4]);
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::asm;

    pub(super) fn clear() {
        // SAFETY: registers alone, each declared; the compiler keeps what of v8 to v15 is the caller's.
        unsafe {
            asm!(
                "movi v0.16b, #0", "movi v1.16b, #0", "movi v2.16b, #0", "movi v3.16b, #0", "movi v4.16b, #0",
                "movi v5.16b, #0", "movi v6.16b, #0", "movi v7.16b, #0", "movi v8.16b, #0", "movi v9.16b, #0",
                "movi v10.16b, #0", "movi v11.16b, #0", "movi v12.16b, #0", "movi v13.16b, #0", "movi v14.16b, #0",
                "movi v15.16b, #0", "movi v16.16b, #0", "movi v17.16b, #0", "movi v18.16b, #0", "movi v19.16b, #0",
                "movi v20.16b, #0", "movi v21.16b, #0", "movi v22.16b, #0", "movi v23.16b, #0", "movi v24.16b, #0",
                "movi v25.16b, #0", "movi v26.16b, #0", "movi v27.16b, #0", "movi v28.16b, #0", "movi v29.16b, #0",
                "movi v30.16b, #0", "movi v31.16b, #0",
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
                out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _,
                out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _,
                out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }
}
