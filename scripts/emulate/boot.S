# Replaces the BIOS. It only sets up the state that the kernel expects at its entry: 64-bit mode, flat segments, the identity
# mapping and %rsi at the boot parameters. The kernel and its files are already in memory. This saves a BIOS, a boot loader
# and a CD image, and the time that they take in an emulator.
	.code16
	.globl _start
_start:
	lgdtl %cs:table_pointer - _start
	movl $0xa0, %eax               # physical address extension, global pages
	movl %eax, %cr4
	movl $PAGE_TABLES, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx         # EFER
	rdmsr
	orl $0x100, %eax               # long mode
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax          # paging, protected mode
	movl %eax, %cr0
	ljmpl $0x10, $long_mode

	.code64
long_mode:
	movl $0x18, %eax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $BOOT_PARAMETERS, %esi
	movl $ENTRY, %eax
	jmp *%rax

	.balign 8
table:	.quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
table_pointer:
	.word table_pointer - table - 1
	.long table

	.org 0xfff0                    # where the processor starts
	.code16
	jmp _start
	.org 0x10000
